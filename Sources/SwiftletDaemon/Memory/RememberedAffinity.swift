package import BPFLoader
import CDatapath
import DatapathInstall
import Glibc
import ServiceMaps
import ServiceModel

/// Which backend a client is bound to (spec 34).
package struct RememberedAffinity: Codable, Sendable, Hashable {
    /// The source address of packets; nil of a client that is a network namespace.
    package var client: String?
    /// The kernel's cookie of the network namespace whose sockets are the client: a pod, or the node.
    package var clientNamespace: UInt64?
    /// Of that namespace: `this network namespace`, or a process in it, where one is seen.
    package var clientName: String?
    package var `protocol`: String
    package var servicePort: MapMemory.ServicePort
    /// `10.244.1.5:8080`; nil when that backend has gone, and the next connection chooses anew.
    package var backend: String?
    /// Since the last connection.
    package var idleSeconds: Int
    /// Until the client is free to go elsewhere; 0 when it is.
    package var expiresInSeconds: Int
}

extension MapMemory {
    /// The clients that are bound, by Service.
    ///
    /// - Parameter includingOver: those as well whose time is over.
    package func affinities(
        of sockets: OpenSockets, includingOver: Bool = false
    ) throws(BPFError) -> [RememberedAffinity] {
        guard let map = try pins.openIfPinned(ServiceMap.affinity.rawValue) else { return [] }
        let now = KernelClock.now
        var found: [RememberedAffinity] = []
        for entry in try map.entries(key: affinity_key.self, value: CDatapath.affinity.self) {
            let (key, value) = (entry.key, entry.value)
            let idle = now - .nanoseconds(Int64(clamping: value.last_use))
            let rest = .seconds(affinitySeconds(key.service_id)) - idle
            guard includingOver || rest > .zero else { continue }
            let address = IPAddress(field: key.address)
            found.append(
                RememberedAffinity(
                    client: address.map { "\($0)" }, clientNamespace: address == nil ? key.netns_cookie : nil,
                    clientName: address == nil ? sockets.name(ofNamespace: key.netns_cookie) : nil,
                    protocol: proto(key.service_id).map { "\($0)" } ?? "-", servicePort: owner(key.service_id),
                    backend: backend(value.backend_id, of: key.service_id).map(\.socketText),
                    idleSeconds: idle.wholeSeconds, expiresInSeconds: rest > .zero ? max(rest.wholeSeconds, 1) : 0))
        }
        return found.sorted { left, right in
            (
                left.servicePort.namespace, left.servicePort.service, left.servicePort.port, left.client ?? "",
                left.clientNamespace ?? 0
            )
                < (
                    right.servicePort.namespace, right.servicePort.service, right.servicePort.port, right.client ?? "",
                    right.clientNamespace ?? 0
                )
        }
    }
}

extension BackendEntry {
    /// `10.244.1.5:8080`, an IPv6 address in brackets.
    var socketText: String { address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
