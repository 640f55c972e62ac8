internal import BPFLoader
internal import CDatapath
package import ServiceMaps
internal import ServiceModel
package import SystemPackage

/// Sockets whose backend went while no daemon ran: a process that ended between removing the backend and destroying
/// its sockets leaves them.
package enum Orphans {
    /// The backends that connected sockets are recorded with, and that are in no map.
    ///
    /// They are taken for UDP's: whether connections of TCP are to be destroyed cannot be known any more.
    /// - Parameter backends: where `backends4` and `backends6` are pinned.
    package static func find(_ paths: DatapathPaths, backends: [FilePath]) throws -> [RemovedBackend] {
        // The records before the backends: a socket that is recorded later is not looked at, and so never taken for an orphan.
        let records = try BPFMap(pinnedAt: paths.origin).entries(key: UInt32.self, value: origin.self).map(\.value)
            // A socket that waits at a VIP has no backend.
            .filter { $0.cookie != 0 && $0.service_id != 0 && $0.backend_id != 0 }
        guard !records.isEmpty else { return [] }
        var known: Set<UInt32> = []
        for path in backends {
            let map = try BPFMap(pinnedAt: path)
            for entry in try map.rawEntries() {
                known.insert(entry.key.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })
            }
        }
        return Array(Set(records.filter { !known.contains($0.backend_id) }.map(RemovedBackend.init)))
    }
}

extension RemovedBackend {
    fileprivate init(_ record: origin) {
        let bytes = withUnsafeBytes(of: record.address) { Array($0) }
        let address = IPAddress(wide: bytes)
        let nobody = ObjectName(namespace: "", name: "")
        self.init(
            id: BackendID(record.backend_id), address: address, port: record.port,
            service: ServicePortName(service: nobody, port: "", proto: .udp, family: address.family))
    }
}

extension IPAddress {
    /// Sixteen bytes: IPv4 as ::ffff:a.b.c.d.
    fileprivate init(wide bytes: [UInt8]) {
        let (high, low) = bytes.withUnsafeBytes {
            (
                $0.loadUnaligned(as: UInt64.self).bigEndian,
                $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
            )
        }
        let isMapped = high == 0 && low >> 32 == 0xffff
        self = isMapped ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : IPAddress(v6: high, low)
    }
}
