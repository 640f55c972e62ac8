package import BPFLoader
import CDatapath
import DatapathInstall
import ServiceMaps
import ServiceModel

/// A socket that a hook has translated: what its program asked for, and what it got.
package struct RememberedSocket: Codable, Sendable, Hashable {
    /// The kernel's number of the socket.
    package var cookie: UInt64
    /// `connected`; or `unconnected`, a UDP socket that sends to several addresses.
    package var kind: String
    package var `protocol`: String
    package var vip: String
    package var vipPort: Int
    package var backend: String
    package var backendPort: Int
    package var servicePort: MapMemory.ServicePort
    /// Nil where no process was seen that has it open.
    package var pid: Int32?
    package var command: String?
}

extension MapMemory {
    /// The translated sockets, by Service. Records that the kernel keeps with the socket itself are among them only where the
    /// socket was seen open.
    package func sockets(of open: OpenSockets) throws(BPFError) -> [RememberedSocket] {
        var found: [RememberedSocket] = []
        let origins = try BPFMap(pinnedAt: pins.map(ServiceMap.socketOrigin.rawValue))
        try origins.forEachValue(as: origin.self) { place in
            guard place.cookie != 0 else { return }
            found += [socket(place, "connected", cookie: place.cookie, open)].compactMap(\.self)
        }
        for (cookie, record) in open.spilled {
            found += [socket(record, "connected", cookie: cookie, open)].compactMap(\.self)
        }
        for (cookie, records) in open.unconnected {
            found += records.compactMap { socket($0, "unconnected", cookie: cookie, open) }
        }
        found += try furtherVIPs(open)
        return found.sorted { left, right in
            (left.servicePort.namespace, left.servicePort.service, left.servicePort.port, left.cookie, left.vip)
                < (
                    right.servicePort.namespace, right.servicePort.service, right.servicePort.port, right.cookie,
                    right.vip
                )
        }
    }

    /// Of UDP sockets that talk to more VIPs than the kernel keeps with the socket.
    private func furtherVIPs(_ open: OpenSockets) throws(BPFError) -> [RememberedSocket] {
        guard let map = try pins.openIfPinned(ServiceMap.socketVIPs.rawValue) else { return [] }
        return try map.entries(key: sock_vip_key.self, value: sock_vip.self).compactMap { entry in
            guard entry.key.is_backend == 0, entry.value.port != 0 else { return nil }
            var record = origin()
            (record.service_id, record.backend_id) = (entry.value.service_id, entry.value.backend_id)
            (record.vip, record.vip_port) = (entry.key.address, entry.key.port)
            (record.address, record.port) = (entry.value.address, entry.value.port)
            return socket(record, "unconnected", cookie: entry.key.cookie, open)
        }
    }

    private func socket(_ record: origin, _ kind: String, cookie: UInt64, _ open: OpenSockets) -> RememberedSocket? {
        // Without a service it is a socket that a hook left alone; without a port its answers are the backend's own.
        guard record.service_id != 0, record.port != 0, let vip = IPAddress(field: record.vip),
            let backend = IPAddress(field: record.address)
        else { return nil }
        let holder = open.holders[cookie]
        return RememberedSocket(
            cookie: cookie, kind: kind, protocol: proto(record.service_id).map { "\($0)" } ?? "-", vip: "\(vip)",
            vipPort: Int(record.vip_port), backend: "\(backend)", backendPort: Int(record.port),
            servicePort: owner(record.service_id), pid: holder?.pid, command: holder?.command)
    }
}
