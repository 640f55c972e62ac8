internal import BPFLoader
internal import CDatapath
internal import ServiceMaps
internal import ServiceModel

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
