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
        // A socket that waits at a VIP has no backend.
        let records = try records(paths).filter { $0.backend_id != 0 }
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

    /// The frontends at which sockets of UDP wait. They may serve since the last look.
    package static func awaited(_ paths: DatapathPaths) throws -> [AwakenedFrontend] {
        Array(Set(try records(paths).filter { $0.backend_id == 0 }.map(AwakenedFrontend.init)))
    }

    private static func records(_ paths: DatapathPaths) throws -> [origin] {
        try BPFMap(pinnedAt: paths.origin).entries(key: UInt32.self, value: origin.self).map(\.value)
            .filter { $0.cookie != 0 && $0.service_id != 0 }
    }
}

extension RemovedBackend {
    fileprivate init(_ record: origin) {
        let address = IPAddress(wide: withUnsafeBytes(of: record.address) { Array($0) })
        self.init(
            id: BackendID(record.backend_id), address: address, port: record.port,
            service: .nobodys(address.family))
    }
}

extension AwakenedFrontend {
    fileprivate init(_ record: origin) {
        let address = IPAddress(wide: withUnsafeBytes(of: record.vip) { Array($0) })
        self.init(
            address: address, port: record.vip_port, service: .nobodys(address.family), isClusterIP: false,
            servesAll: false)
    }
}

extension ServicePortName {
    fileprivate static func nobodys(_ family: IPFamily) -> Self {
        ServicePortName(service: ObjectName(namespace: "", name: ""), port: "", proto: .udp, family: family)
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
