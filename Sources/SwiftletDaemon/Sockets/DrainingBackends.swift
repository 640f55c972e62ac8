import BPFLoader
import CDatapath
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
        let sockets = try sockets(BPFMap(pinnedAt: pins.map(ServiceMap.socketOrigin.rawValue)))
        let flows4 = try flows(pins, .flows4, timeouts, as: flow4.self)
        let flows6 = try flows(pins, .flows6, timeouts, as: flow6.self)
        return backends.map { port, backend in
            let (id, entry, name) = (backend.id.number, backend.entry, port.name)
            let address = entry.address.family == .v4 ? "\(entry.address)" : "[\(entry.address)]"
            return DrainingBackend(
                namespace: name?.service.namespace ?? "", service: name?.service.name ?? "", port: name?.port ?? "",
                protocol: "\(entry.proto)", family: Int(entry.address.family.rawValue),
                backend: "\(address):\(entry.port)", sockets: sockets[id] ?? 0,
                flows: (entry.address.family == .v4 ? flows4 : flows6)[id] ?? 0)
        }
    }

    /// By the backend's id. A place that is given back has no cookie.
    private static func sockets(_ places: borrowing BPFMap) throws(BPFError) -> [UInt32: Int] {
        var counts: [UInt32: Int] = [:]
        try places.forEachValue(as: origin.self) { place in
            if place.cookie != 0 && place.service_id != 0 { counts[place.backend_id, default: 0] += 1 }
        }
        return counts
    }

    /// Living flows by the backend's id.
    private static func flows<Flow: FlowLayout & BitwiseCopyable>(
        _ pins: DatapathPins, _ map: ServiceMap, _ timeouts: FlowTimeouts, as _: Flow.Type
    ) throws(BPFError) -> [UInt32: Int] {
        guard let flows = try pins.openIfPinned(map.rawValue) else { return [:] }
        let now = KernelClock.now
        var counts: [UInt32: Int] = [:]
        try flows.forEachValue(as: Flow.self) { flow in
            guard flow.state != FLOW_FREE && flow.state != FLOW_CHANGING else { return }
            let lifetime = timeouts.lifetime(
                flow.protocol, flow.state, isHalfClosed: flow.fin_client != 0 || flow.fin_backend != 0)
            if now - .nanoseconds(Int64(flow.last_seen)) < lifetime { counts[flow.backend_id, default: 0] += 1 }
        }
        return counts
    }
}

/// A flow of either family.
private protocol FlowLayout {
    var last_seen: UInt64 { get }
    var backend_id: UInt32 { get }
    var `protocol`: ip_protocol { get }
    var state: flow_state { get }
    var fin_client: UInt8 { get }
    var fin_backend: UInt8 { get }
}

extension flow4: FlowLayout {}
extension flow6: FlowLayout {}
