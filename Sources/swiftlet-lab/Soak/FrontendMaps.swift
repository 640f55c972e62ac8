import BPFLoader
import CDatapath
import DatapathInstall
import NetworkLab

/// What the maps of one version of the layout say of a soak's Services, read as the datapath reads them.
///
/// A class because arrays cannot hold noncopyable values, and several versions may be there at once.
final class FrontendMaps {
    private let services4: BPFMap
    private let services6: BPFMap
    private let slots4: BPFMap
    private let slots6: BPFMap
    private let backends4: BPFMap
    private let backends6: BPFMap
    private let vips4: BPFMap
    private let vips6: BPFMap
    private let pods: [[UInt8]: Int]

    init(_ pins: DatapathPins, pods: [[UInt8]: Int]) throws(BPFError) {
        let services4 = try BPFMap(pinnedAt: pins.map("services4"))
        let services6 = try BPFMap(pinnedAt: pins.map("services6"))
        let slots4 = try BPFMap(pinnedAt: pins.map("slots4"))
        let slots6 = try BPFMap(pinnedAt: pins.map("slots6"))
        let backends4 = try BPFMap(pinnedAt: pins.map("backends4"))
        let backends6 = try BPFMap(pinnedAt: pins.map("backends6"))
        let vips4 = try BPFMap(pinnedAt: pins.map("vips4"))
        let vips6 = try BPFMap(pinnedAt: pins.map("vips6"))
        self.services4 = services4
        self.services6 = services6
        self.slots4 = slots4
        self.slots6 = slots6
        self.backends4 = backends4
        self.backends6 = backends6
        self.vips4 = vips4
        self.vips6 = vips6
        self.pods = pods
    }

    /// The kernel's numbers of the maps: a map that was made anew has another one.
    var ids: [UInt32] {
        [services4.id, services6.id, slots4.id, slots6.id, backends4.id, backends6.id, vips4.id, vips6.id]
    }

    /// For how many frontends, slots and backends of a family there is room.
    var room: [Int] { [services4.maxEntries, slots4.maxEntries, backends4.maxEntries] }

    /// The backends of each service port, by its id.
    struct Backends {
        fileprivate struct Family {
            /// In the set: clients that remember one stay there while it is.
            var members: [UInt32: Set<Int>] = [:]
            var all: [UInt32: Set<Int>] = [:]

            mutating func add(_ pod: Int, of service: UInt32, isMember: Bool) {
                all[service, default: []].insert(pod)
                if isMember { members[service, default: []].insert(pod) }
            }
        }

        fileprivate var v4 = Family()
        fileprivate var v6 = Family()
    }

    /// What all frontends of a Service show.
    struct Shown {
        var state: ServiceHistory.State
        /// No backend is in the maps besides.
        var isClean: Bool

        /// Neither a frontend nor an address that refuses unknown ports.
        static let absent = Shown(state: .absent, isClean: true)
    }

    func backends() throws -> Backends {
        var backends = Backends()
        for backend in try backends4.entries(key: UInt32.self, value: backend4.self).map(\.value) {
            guard let pod = pods[Self.bytes(backend.address)] else { continue }
            backends.v4.add(pod, of: backend.service_id, isMember: backend.in_cluster == 1)
        }
        for backend in try backends6.entries(key: UInt32.self, value: backend6.self).map(\.value) {
            guard let pod = pods[Self.bytes(backend.address)] else { continue }
            backends.v6.add(pod, of: backend.service_id, isMember: backend.in_cluster == 1)
        }
        return backends
    }

    /// The state that all frontends of a Service show, with no member besides; nil while they differ.
    ///
    /// - Parameter backends: read before.
    func state(of frontends: [SoakService.Frontend], _ backends: Backends) throws -> Shown? {
        var shown: Shown?
        for frontend in frontends where frontend.isShown {
            guard let next = try state(of: frontend, backends) else { return nil }
            if let shown, shown.state != next.state { return nil }
            shown = Shown(state: next.state, isClean: next.isClean && shown?.isClean ?? true)
        }
        return shown
    }

    private func state(
        of frontend: SoakService.Frontend, _ backends: Backends
    ) throws -> Shown? {
        let address = frontend.address
        guard address.isV4 else { return try state6(of: address, isUDP: frontend.isUDP, backends) }
        var key = service4_key()
        withUnsafeMutableBytes(of: &key.address) { $0.copyBytes(from: address.address) }
        key.port = address.port
        key.protocol = frontend.isUDP ? UDP : TCP
        key.scope = FROM_NODE
        guard let entry = try services4.lookup(key, as: service.self) else {
            return try vips4.lookup(vip4_key(address: key.address), as: vip.self) == nil ? .absent : nil
        }
        return try shown(by: entry, backends.v4) { index in
            try slots4.lookup(index, as: slot4.self).map { Self.bytes($0.address) }
        }
    }

    private func state6(
        of address: SocketAddress, isUDP: Bool, _ backends: Backends
    ) throws -> Shown? {
        var key = service6_key()
        withUnsafeMutableBytes(of: &key.address) { $0.copyBytes(from: address.address) }
        key.port = address.port
        key.protocol = isUDP ? UDP : TCP
        key.scope = FROM_NODE
        guard let entry = try services6.lookup(key, as: service.self) else {
            return try vips6.lookup(vip6_key(address: key.address), as: vip.self) == nil ? .absent : nil
        }
        return try shown(by: entry, backends.v6) { index in
            try slots6.lookup(index, as: slot6.self).map { Self.bytes($0.address) }
        }
    }

    private static func bytes<Address: BitwiseCopyable>(_ address: Address) -> [UInt8] {
        withUnsafeBytes(of: address) { Array($0) }
    }

    /// Nil when the run was freed while it was read, or when clients may still stay with another backend.
    private func shown(
        by entry: service, _ backends: Backends.Family, slot: (UInt32) throws -> [UInt8]?
    ) throws -> Shown? {
        var found: Set<Int> = []
        if entry.action == BALANCE {
            for index in entry.first_slot..<entry.first_slot + entry.count {
                guard let address = try slot(index), let pod = pods[address] else { return nil }
                found.insert(pod)
            }
        }
        guard backends.members[entry.service_id, default: []].isSubset(of: found) else { return nil }
        return Shown(
            state: .serving(found), isClean: backends.all[entry.service_id, default: []].isSubset(of: found))
    }
}
