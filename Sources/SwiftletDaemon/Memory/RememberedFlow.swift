package import BPFLoader
import CDatapath
import DatapathInstall
import ServiceMaps
import ServiceModel

/// A flow that is translated packet by packet at tc.
package struct RememberedFlow: Codable, Sendable, Hashable {
    package var `protocol`: String
    package var client: String
    package var clientPort: Int
    package var vip: String
    package var vipPort: Int
    package var backend: String
    package var backendPort: Int
    /// The node's address and port that the backend sees; nil where it sees the client.
    package var node: String?
    package var nodePort: Int?
    /// `new`, `answered`, `established`, `closing`, `reset`.
    package var state: String
    /// `forwarded`, `redirected`, `departing`.
    package var path: String
    package var servicePort: MapMemory.ServicePort
    /// Since the last packet.
    package var idleSeconds: Int
    /// Until it is over without another packet; 0 when it is.
    package var expiresInSeconds: Int

    /// It is not on its way to be over.
    var isOpen: Bool { state != "closing" && state != "reset" }
}

extension MapMemory {
    /// Flows of both families, by client.
    ///
    /// - Parameter includingOver: those as well whose place waits for a new flow.
    package func flows(includingOver: Bool = false) throws(BPFError) -> [RememberedFlow] {
        var flows = try flows(.flows4, as: flow4.self, includingOver)
        flows += try self.flows(.flows6, as: flow6.self, includingOver)
        return flows.sorted { left, right in
            (left.client, left.clientPort, left.vip, left.vipPort)
                < (right.client, right.clientPort, right.vip, right.vipPort)
        }
    }

    private func flows<Flow: FlowFields & BitwiseCopyable>(
        _ map: ServiceMap, as _: Flow.Type, _ includingOver: Bool
    ) throws(BPFError) -> [RememberedFlow] {
        guard let map = try pins.openIfPinned(map.rawValue) else { return [] }
        let now = KernelClock.now
        var found: [RememberedFlow] = []
        try map.forEachValue(as: Flow.self) { flow in
            guard let flow = remembered(flow, now), includingOver || flow.expiresInSeconds > 0 else { return }
            found.append(flow)
        }
        return found
    }

    private func remembered<Flow: FlowFields>(_ flow: Flow, _ now: Duration) -> RememberedFlow? {
        guard let state = Self.word(flow.state), let client = IPAddress(field: flow.client),
            let vip = IPAddress(field: flow.vip), let backend = IPAddress(field: flow.backend)
        else { return nil }
        let idle = now - .nanoseconds(Int64(clamping: flow.last_seen))
        let lifetime = timeouts.lifetime(
            flow.protocol, flow.state, isHalfClosed: flow.fin_client != 0 || flow.fin_backend != 0)
        let rest = lifetime - idle
        let node = flow.node_port == 0 ? nil : IPAddress(field: flow.node)
        return RememberedFlow(
            protocol: Self.word(flow.protocol), client: "\(client)", clientPort: Int(flow.client_port), vip: "\(vip)",
            vipPort: Int(flow.vip_port), backend: "\(backend)", backendPort: Int(flow.backend_port),
            node: node.map { "\($0)" }, nodePort: node.map { _ in Int(flow.node_port) }, state: state,
            path: Self.word(flow.path), servicePort: owner(flow.service_id), idleSeconds: idle.wholeSeconds,
            expiresInSeconds: rest > .zero ? max(rest.wholeSeconds, 1) : 0)
    }

    /// Nil for a place that is free, or being reassigned.
    private static func word(_ state: flow_state) -> String? {
        switch state {
        case FLOW_NEW: "new"
        case FLOW_ANSWERED: "answered"
        case FLOW_ESTABLISHED: "established"
        case FLOW_CLOSING: "closing"
        case FLOW_RESET: "reset"
        default: nil
        }
    }

    private static func word(_ path: flow_path) -> String {
        switch path {
        case REDIRECTED: "redirected"
        case DEPARTING: "departing"
        default: "forwarded"
        }
    }

    private static func word(_ proto: ip_protocol) -> String {
        switch proto {
        case TCP: "TCP"
        case UDP: "UDP"
        default: "SCTP"
        }
    }
}

/// A flow of either family.
private protocol FlowFields {
    associatedtype Address: BitwiseCopyable

    var last_seen: UInt64 { get }
    var service_id: UInt32 { get }
    var client: Address { get }
    var vip: Address { get }
    var backend: Address { get }
    var node: Address { get }
    var client_port: UInt16 { get }
    var vip_port: UInt16 { get }
    var backend_port: UInt16 { get }
    var node_port: UInt16 { get }
    var `protocol`: ip_protocol { get }
    var state: flow_state { get }
    var path: flow_path { get }
    var fin_client: UInt8 { get }
    var fin_backend: UInt8 { get }
}

extension flow4: FlowFields {}
extension flow6: FlowFields {}
