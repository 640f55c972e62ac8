package import BPFLoader
import CDatapath
package import DatapathInstall
package import ServiceMaps
package import Settings

/// What is open to each backend, as far as the maps know it.
package struct OpenConnections: Sendable, Hashable {
    /// Sockets that are connected to it by a VIP; those that had to spill are not among them.
    package var sockets: [BackendID: Int] = [:]
    /// Flows of packets that are not over, nor on their way to be.
    package var flows: [BackendID: Int] = [:]

    package init() {}

    package func of(_ backend: BackendID) -> Int { sockets[backend, default: 0] + flows[backend, default: 0] }

    package static func read(pins: DatapathPins, timeouts: FlowTimeouts) throws(BPFError) -> OpenConnections {
        var open = OpenConnections()
        try open.addSockets(BPFMap(pinnedAt: pins.map(ServiceMap.socketOrigin.rawValue)))
        try open.addFlows(pins, .flows4, timeouts, as: flow4.self)
        try open.addFlows(pins, .flows6, timeouts, as: flow6.self)
        return open
    }

    /// A place that is given back has no cookie.
    private mutating func addSockets(_ places: borrowing BPFMap) throws(BPFError) {
        var counts: [BackendID: Int] = [:]
        try places.forEachValue(as: origin.self) { place in
            if place.cookie != 0 && place.service_id != 0 { counts[BackendID(place.backend_id), default: 0] += 1 }
        }
        sockets.merge(counts, uniquingKeysWith: +)
    }

    private mutating func addFlows<Flow: FlowLayout & BitwiseCopyable>(
        _ pins: DatapathPins, _ map: ServiceMap, _ timeouts: FlowTimeouts, as _: Flow.Type
    ) throws(BPFError) {
        guard let places = try pins.openIfPinned(map.rawValue) else { return }
        let now = KernelClock.now
        var counts: [BackendID: Int] = [:]
        try places.forEachValue(as: Flow.self) { flow in
            guard flow.state.isOpen else { return }
            let lifetime = timeouts.lifetime(
                flow.protocol, flow.state, isHalfClosed: flow.fin_client != 0 || flow.fin_backend != 0)
            if now - .nanoseconds(Int64(flow.last_seen)) < lifetime {
                counts[BackendID(flow.backend_id), default: 0] += 1
            }
        }
        flows.merge(counts, uniquingKeysWith: +)
    }
}

extension flow_state {
    fileprivate var isOpen: Bool { [FLOW_NEW, FLOW_ANSWERED, FLOW_ESTABLISHED].contains(self) }
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
