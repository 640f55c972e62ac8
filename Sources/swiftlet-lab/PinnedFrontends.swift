import BPFLoader
import CDatapath
import NetworkLab
import SystemPackage

/// The maps that a connect to a ClusterIP reads, as any program finds them.
struct PinnedFrontends: ~Copyable {
    private let services: BPFMap
    private let slots: BPFMap

    init(bpfRoot: String) throws {
        let maps = FilePath(bpfRoot).appending("v\(LB_MAP_VERSION)").appending("maps")
        let services = try BPFMap(pinnedAt: maps.appending("services4"))
        let slots = try BPFMap(pinnedAt: maps.appending("slots4"))
        self.services = services
        self.slots = slots
    }

    /// Where the run of slots of TCP port 80 begins. A change of the backends is a new run, in one write.
    func firstSlot(of vip: String) throws -> UInt32? { try entry(of: vip)?.first_slot }

    func backends(of vip: String) throws -> [String] {
        guard let entry = try entry(of: vip) else { return [] }
        return try (entry.first_slot..<entry.first_slot + entry.count).compactMap { number in
            guard let slot = try slots.lookup(number, as: slot4.self) else { return nil }
            let (a, b, c, d) = slot.address
            return "\(a).\(b).\(c).\(d)"
        }
    }

    private func entry(of vip: String) throws -> service? {
        let bytes = vip.split(separator: ".").compactMap { UInt8($0) }
        guard bytes.count == 4 else { return nil }
        var key = service4_key()
        key.address = (bytes[0], bytes[1], bytes[2], bytes[3])
        key.port = 80
        key.protocol = TCP
        key.scope = FROM_NODE
        return try services.lookup(key, as: service.self)
    }
}
