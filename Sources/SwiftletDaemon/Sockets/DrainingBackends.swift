import BPFLoader
import DatapathInstall
import ServiceMaps
import ServiceModel
import Settings

/// A backend that gets no new connections, and what it still has.
package struct DrainingBackend: Codable, Sendable, Hashable {
    package var namespace: String
    package var service: String
    package var port: String
    package var `protocol`: String
    package var family: Int
    /// `10.244.1.5:8080`.
    package var backend: String
    /// Sockets that are connected to it by a VIP; those that had to spill are not among them.
    package var sockets: Int
    /// Flows of packets that are not over.
    package var flows: Int
}

extension DrainingBackend {
    /// Those of the maps. The maps of sockets and of flows are read only if there are some.
    static func list(
        of state: ProgrammedState, pins: DatapathPins, timeouts: FlowTimeouts
    ) throws(BPFError) -> [DrainingBackend] {
        let backends = state.ports.flatMap { port in
            port.backends.filter { $0.entry.state == .terminating }.map { (port: port, backend: $0) }
        }
        guard !backends.isEmpty else { return [] }
        let open = try OpenConnections.read(pins: pins, timeouts: timeouts)
        return backends.map { port, backend in
            let (id, entry, name) = (backend.id, backend.entry, port.name)
            let address = entry.address.family == .v4 ? "\(entry.address)" : "[\(entry.address)]"
            return DrainingBackend(
                namespace: name?.service.namespace ?? "", service: name?.service.name ?? "", port: name?.port ?? "",
                protocol: "\(entry.proto)", family: Int(entry.address.family.rawValue),
                backend: "\(address):\(entry.port)", sockets: open.sockets[id] ?? 0,
                flows: open.flows[id] ?? 0)
        }
    }
}
