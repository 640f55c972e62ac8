/// What the datapath must do on this node: the result of compiling all the Services.
package struct DesiredState: Sendable, Hashable {
    package var services: [ObjectName: DesiredService]

    package init(services: [ObjectName: DesiredService] = [:]) { self.services = services }
}

/// What the datapath must do for one Service on this node: the result of compiling it.
package struct DesiredService: Sendable, Hashable {
    package var name: ObjectName
    /// One for each service port and IP family, sorted by name.
    package var ports: [DesiredServicePort]
    /// Why the Service has no frontend at all (headless, ExternalName, not ours); nil when it has some.
    package var leftAlone: LeftAlone?
    /// Where the count of local endpoints is to be served, for a LoadBalancer with the Local policy (spec 26).
    package var healthCheckNodePort: Port?
    /// What is served there (spec 45); 0 without such a port.
    package var localReadyEndpoints: Int
    /// Backends that were left out of the ports to save memory; none in a result that is to be programmed.
    package private(set) var omittedBackends = 0

    package init(
        name: ObjectName, ports: [DesiredServicePort] = [], leftAlone: LeftAlone? = nil,
        healthCheckNodePort: Port? = nil, localReadyEndpoints: Int = 0
    ) {
        self.name = name
        self.ports = ports
        self.leftAlone = leftAlone
        self.healthCheckNodePort = healthCheckNodePort
        self.localReadyEndpoints = localReadyEndpoints
    }

    /// The same with its backends only counted.
    var withoutBackends: DesiredService {
        var service = self
        for index in service.ports.indices {
            service.omittedBackends += service.ports[index].backends.count
            service.ports[index].backends = []
        }
        return service
    }
}

/// Why a Service is rightly not programmed (spec 1-3).
package enum LeftAlone: String, Sendable, Hashable {
    case headless
    case externalName
    case noClusterIP
    case otherProxy
}

/// One service port in one family: its endpoints and the frontends that lead to them.
package struct DesiredServicePort: Sendable, Hashable {
    package var name: ServicePortName
    /// 0 without session affinity (spec 34).
    package var affinitySeconds: UInt32
    /// Usable and still serving ones, sorted by address and port, without duplicates (spec 9).
    package var backends: [DesiredBackend]
    /// Sorted by address, port, protocol and scope.
    package var frontends: [DesiredFrontend]
    /// Why there is no usable backend; nil when there is one.
    package var emptyReason: EmptyReason?

    package init(
        name: ServicePortName, affinitySeconds: UInt32 = 0, backends: [DesiredBackend] = [],
        frontends: [DesiredFrontend] = [], emptyReason: EmptyReason? = nil
    ) {
        self.name = name
        self.affinitySeconds = affinitySeconds
        self.backends = backends
        self.frontends = frontends
        self.emptyReason = emptyReason
    }
}

extension DesiredServicePort {
    /// The set of usable backends that one of its frontends takes; empty if it refuses or drops.
    package func backends(of frontend: DesiredFrontend) -> [DesiredBackend] {
        switch frontend.policy {
        case .cluster: backends.filter(\.inCluster)
        case .local: backends.filter(\.inLocal)
        }
    }
}

/// Why a service port has no backend, as far as a state without pods can tell; `ServiceTrace` names the endpoints.
package enum EmptyReason: String, Sendable, Hashable, CaseIterable {
    /// The slices are empty, and there is no selector.
    case noEndpoints = "no endpoints"
    /// The Service has a selector, and no slice has come.
    case noSlice = "no EndpointSlice"
    /// The slices are empty: pods that are pending, over or without address are in none.
    case selectorMatchesNothing = "no pod with an address matches the selector"
    case otherFamily = "endpoints of the other IP family only"
    case notReady = "endpoints not ready"
    case noMatchingPort = "port names differ"
    /// Local policy, and the usable endpoints are all on other nodes (spec 17, 19).
    case notOnThisNode = "no endpoint on this node"
}

/// An endpoint that a frontend may use, or that still serves the flows it has.
package struct DesiredBackend: Sendable, Hashable {
    package enum State: Sendable, Hashable {
        /// In a set of usable backends; or in none, but a UDP flow that it has must live on (spec 32): check the sets.
        case active
        /// Keeps its flows and gets no new ones.
        case terminating
    }

    package var address: IPAddress
    package var port: Port
    package var state: State
    /// Runs on this node (spec 8).
    package var isLocal: Bool
    /// Usable for frontends with the Cluster policy (spec 12).
    package var inCluster: Bool
    /// Usable for frontends with the Local policy (spec 13).
    package var inLocal: Bool
    package var zone: String?

    package init(
        address: IPAddress, port: Port, state: State = .active, isLocal: Bool = false,
        inCluster: Bool = true, inLocal: Bool = false, zone: String? = nil
    ) {
        self.address = address
        self.port = port
        self.state = state
        self.isLocal = isLocal
        self.inCluster = inCluster
        self.inLocal = inLocal
        self.zone = zone
    }
}

/// What a client addresses: the identity of a frontend.
package struct FrontendKey: Sendable, Hashable, Comparable {
    package enum Scope: UInt8, Sendable, Hashable, Comparable {
        /// Sockets and pods of this node.
        case fromNode = 0
        /// Packets that arrive on a device.
        case fromOutside = 1

        package static func < (left: Scope, right: Scope) -> Bool { left.rawValue < right.rawValue }
    }

    package var address: IPAddress
    package var port: Port
    package var proto: IPProtocol
    package var scope: Scope

    package init(address: IPAddress, port: Port, proto: IPProtocol, scope: Scope = .fromNode) {
        self.address = address
        self.port = port
        self.proto = proto
        self.scope = scope
    }

    package static func < (left: FrontendKey, right: FrontendKey) -> Bool {
        (left.address, left.port, left.proto, left.scope) < (right.address, right.port, right.proto, right.scope)
    }
}

/// One frontend of a service port, and what happens to its clients.
package struct DesiredFrontend: Sendable, Hashable {
    package enum Kind: UInt8, Sendable, Hashable {
        case clusterIP = 1
        case nodePort = 2
        case loadBalancer = 3
        case externalIP = 4
    }

    package enum Action: Sendable, Hashable {
        case balance
        /// No endpoint anywhere (spec 27, 29).
        case reject
        /// Local policy, endpoints only on other nodes (spec 17, 19).
        case drop
    }

    package var key: FrontendKey
    package var kind: Kind
    package var action: Action
    /// Which of the two sets of backends this frontend takes.
    package var policy: Service.TrafficPolicy
    /// Only for sockets in the node's own network namespace: NodePorts on a loopback address.
    package var hostOnly: Bool
    /// The same frontend has an entry of its own for clients outside the node (spec 18).
    package var hasOutside: Bool
    /// Which clients are admitted; nil for everybody, and for all kinds but `loadBalancer` (spec 24).
    package var sourceRanges: SourceRanges?
    /// Sockets see the address itself, and their packets are translated where programs see them.
    package var leavesSockets: Bool

    package init(
        key: FrontendKey, kind: Kind, action: Action = .balance, policy: Service.TrafficPolicy = .cluster,
        hostOnly: Bool = false, hasOutside: Bool = false, sourceRanges: SourceRanges? = nil, leavesSockets: Bool = false
    ) {
        self.key = key
        self.kind = kind
        self.action = action
        self.policy = policy
        self.hostOnly = hostOnly
        self.hasOutside = hasOutside
        self.sourceRanges = sourceRanges
        self.leavesSockets = leavesSockets
    }
}

extension DesiredService {
    /// A sentence for each ClusterIP that is among the node's addresses: an API server gives none out, and a manifest may say
    /// anything.
    ///
    /// The same for each NodePort on which a program of the node listens: it gets no connections to it any more.
    /// - Parameter listening: the TCP ports of the node that are listened on.
    package func doubts(onNodeWith addresses: Set<IPAddress>, listening: Set<UInt16> = []) -> [String] {
        let frontends = ports.lazy.flatMap(\.frontends)
        let taken = Set(frontends.filter { $0.kind == .clusterIP }.map(\.key.address)).intersection(addresses)
        return nodePortDoubts(listening)
            + taken.sorted().map { address in
                "look at Service \(name): its ClusterIP \(address) is an address of this node, which keeps its other ports; "
                    + "write one of the range for Services"
            }
    }

    /// TCP NodePorts, sorted.
    package var nodePorts: [UInt16] {
        let frontends = ports.lazy.flatMap(\.frontends).filter { $0.kind == .nodePort && $0.key.proto == .tcp }
        return Set(frontends.map(\.key.port.number)).sorted()
    }

    private func nodePortDoubts(_ listening: Set<UInt16>) -> [String] {
        if listening.isEmpty { return [] }
        return nodePorts.filter(listening.contains).map { port in
            "look at Service \(name): a program on this node listens on its NodePort \(port), and is not reached there any "
                + "more; choose another port (`ss -ltnp sport = :\(port)` names it)"
        }
    }
}
