internal import BPFLoader
internal import CDatapath
internal import ServiceMaps
internal import ServiceModel
internal import SystemPackage

/// The records of connected sockets: which backend a socket was given, and by which VIP.
struct WayBack: ~Copyable, Sendable {
    let places: BPFMap
    let spill: BPFMap

    init(pins: DatapathPaths) throws(BPFError) {
        let places = try BPFMap(pinnedAt: pins.origin)
        let spill = try BPFMap(pinnedAt: pins.spill)
        self.places = places
        self.spill = spill
    }

    /// The record of a socket that has its place in the array.
    func record(ofSocket cookie: UInt64) throws(BPFError) -> origin? {
        let place: origin? = try places.lookup(UInt32(truncatingIfNeeded: cookie) % UInt32(LB_ORIGINS))
        return place.flatMap { $0.cookie == cookie ? $0 : nil }
    }
}

extension DatapathPaths {
    /// Whether a new connect to this frontend is led to a backend, as the hooks see it now; false if that cannot be told.
    func lead(_ frontend: AwakenedFrontend) -> Bool {
        let proto = ip_protocol(frontend.service.proto)
        func leads<Key: BitwiseCopyable>(_ path: FilePath, _ key: Key) -> Bool {
            guard let map = try? BPFMap(pinnedAt: path), let entry: service = try? map.lookup(key) else { return false }
            return entry.action == BALANCE
        }
        switch frontend.address.family {
        case .v4:
            var key = service4_key()
            withUnsafeMutableBytes(of: &key.address) { $0.copyBytes(from: frontend.address.bytes) }
            (key.port, key.protocol, key.scope) = (frontend.port, proto, FROM_NODE)
            return leads(services4, key)
        case .v6:
            var key = service6_key()
            withUnsafeMutableBytes(of: &key.address) { $0.copyBytes(from: frontend.address.bytes) }
            (key.port, key.protocol, key.scope) = (frontend.port, proto, FROM_NODE)
            return leads(services6, key)
        }
    }
}

extension ip_protocol {
    init(_ proto: IPProtocol) {
        self =
            switch proto {
            case .tcp: TCP
            case .udp: UDP
            case .sctp: SCTP
            }
    }
}

extension origin {
    /// Whether a connect was given this backend, by a VIP.
    func names(_ backend: RemovedBackend) -> Bool {
        service_id != 0 && backend_id == backend.id.number && port == backend.port
            && withUnsafeBytes(of: address) { $0.elementsEqual(backend.address.wide) }
    }
}

extension IPAddress {
    /// Sixteen bytes: IPv4 as ::ffff:a.b.c.d.
    var wide: [UInt8] {
        family == .v4 ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + bytes : bytes
    }
}
