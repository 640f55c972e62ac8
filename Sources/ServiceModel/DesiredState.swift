/// What the datapath must do on this node: the result of compiling all the Services.
public struct DesiredState: Sendable, Hashable {
    public var services: [ObjectName: DesiredService]

    public init(services: [ObjectName: DesiredService] = [:]) { self.services = services }
}

/// What the datapath must do for one Service on this node: the result of compiling it.
public struct DesiredService: Sendable, Hashable {
    public var name: ObjectName
    /// One for each service port and IP family, sorted by name.
    public var ports: [DesiredServicePort]
    /// Why the Service has no frontend at all (headless, ExternalName, not ours); nil when it has some.
    public var leftAlone: LeftAlone?
    /// Where the count of local endpoints is to be served, for a LoadBalancer with the Local policy (spec 26).
    public var healthCheckNodePort: Port?
    /// What is served there (spec 45); 0 without such a port.
    public var localReadyEndpoints: Int
    /// Backends that were left out of the ports to save memory; none in a result that is to be programmed.
    public private(set) var omittedBackends = 0

    public init(
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
public enum LeftAlone: String, Sendable, Hashable {
    case headless
    case externalName
    case noClusterIP
    case otherProxy
}

/// One service port in one family: its endpoints and the frontends that lead to them.
public struct DesiredServicePort: Sendable, Hashable {
    public var name: ServicePortName
    /// 0 without session affinity (spec 34).
    public var affinitySeconds: UInt32
    /// Usable and still serving ones, sorted by address and port, without duplicates (spec 9).
    public var backends: [DesiredBackend]
    /// Sorted by address, port, protocol and scope.
    public var frontends: [DesiredFrontend]
    /// Why there is no usable backend; nil when there is one.
    public var emptyReason: EmptyReason?

    public init(
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
    public func backends(of frontend: DesiredFrontend) -> [DesiredBackend] {
        switch frontend.policy {
        case .cluster: backends.filter(\.inCluster)
        case .local: backends.filter(\.inLocal)
        }
    }
}

/// Why a service port has no backend, in the words that `swiftlet services` shows.
public enum EmptyReason: String, Sendable, Hashable {
    case noEndpoints = "no endpoints"
    case selectorMatchesNothing = "selector matches no pod"
    case notReady = "endpoints not ready"
    case noMatchingPort = "no endpoint port with this name and protocol"
    /// Local policy, and the usable endpoints are all on other nodes (spec 17, 19).
    case notOnThisNode = "no endpoint on this node"
}

/// An endpoint that a frontend may use, or that still serves the flows it has.
public struct DesiredBackend: Sendable, Hashable {
    public enum State: Sendable, Hashable {
        /// In a set of usable backends; or in none, but a UDP flow that it has must live on (spec 32): check the sets.
        case active
        /// Keeps its flows and gets no new ones.
        case terminating
    }

    public var address: IPAddress
    public var port: Port
    public var state: State
    /// Runs on this node (spec 8).
    public var isLocal: Bool
    /// Usable for frontends with the Cluster policy (spec 12).
    public var inCluster: Bool
    /// Usable for frontends with the Local policy (spec 13).
    public var inLocal: Bool
    public var zone: String?

    public init(
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
public struct FrontendKey: Sendable, Hashable, Comparable {
    public enum Scope: UInt8, Sendable, Hashable, Comparable {
        /// Sockets and pods of this node.
        case fromNode = 0
        /// Packets that arrive on a device.
        case fromOutside = 1

        public static func < (left: Scope, right: Scope) -> Bool { left.rawValue < right.rawValue }
    }

    public var address: IPAddress
    public var port: Port
    public var proto: IPProtocol
    public var scope: Scope

    public init(address: IPAddress, port: Port, proto: IPProtocol, scope: Scope = .fromNode) {
        self.address = address
        self.port = port
        self.proto = proto
        self.scope = scope
    }

    public static func < (left: FrontendKey, right: FrontendKey) -> Bool {
        (left.address, left.port, left.proto, left.scope) < (right.address, right.port, right.proto, right.scope)
    }
}

/// One front door of a service port and what happens to those who knock.
public struct DesiredFrontend: Sendable, Hashable {
    public enum Kind: UInt8, Sendable, Hashable {
        case clusterIP = 1
        case nodePort = 2
        case loadBalancer = 3
        case externalIP = 4
    }

    public enum Action: Sendable, Hashable {
        case balance
        /// No endpoint anywhere (spec 27, 29).
        case reject
        /// Local policy, endpoints only on other nodes (spec 17, 19).
        case drop
    }

    public var key: FrontendKey
    public var kind: Kind
    public var action: Action
    /// Which of the two sets of backends this frontend takes.
    public var policy: Service.TrafficPolicy
    /// Only for sockets in the node's own network namespace: NodePorts on a loopback address.
    public var hostOnly: Bool
    /// The same frontend has an entry of its own for clients outside the node (spec 18).
    public var hasOutside: Bool
    /// Which clients are admitted; nil for everybody, and for all kinds but `loadBalancer` (spec 24).
    public var sourceRanges: SourceRanges?

    public init(
        key: FrontendKey, kind: Kind, action: Action = .balance, policy: Service.TrafficPolicy = .cluster,
        hostOnly: Bool = false, hasOutside: Bool = false, sourceRanges: SourceRanges? = nil
    ) {
        self.key = key
        self.kind = kind
        self.action = action
        self.policy = policy
        self.hostOnly = hostOnly
        self.hasOutside = hasOutside
        self.sourceRanges = sourceRanges
    }
}

extension DesiredService {
    /// A sentence for each ClusterIP that is among the node's addresses: an API server gives none out, and a manifest may say
    /// anything.
    ///
    /// The same for each NodePort on which a program of the node listens: it gets no connections to it any more.
    /// - Parameter listening: the TCP ports of the node that are listened on.
    public func doubts(onNodeWith addresses: Set<IPAddress>, listening: Set<UInt16> = []) -> [String] {
        let frontends = ports.lazy.flatMap(\.frontends)
        let taken = Set(frontends.filter { $0.kind == .clusterIP }.map(\.key.address)).intersection(addresses)
        return nodePortDoubts(listening)
            + taken.sorted().map { address in
                "look at Service \(name): its ClusterIP \(address) is an address of this node, which keeps its other ports; "
                    + "write one of the range for Services"
            }
    }

    /// TCP NodePorts, sorted.
    public var nodePorts: [UInt16] {
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
