package import ServiceModel

/// The value of a frontend in `services4/6`.
package struct ServiceEntry: Sendable, Hashable {
    package var service: ServiceID
    /// Where its backends are; `.none` unless the action is to balance and there is one.
    package var run: SlotRun
    /// 0 without session affinity.
    package var affinitySeconds: UInt32
    package var kind: DesiredFrontend.Kind
    package var action: DesiredFrontend.Action
    package var policy: Service.TrafficPolicy
    package var hostOnly: Bool
    package var hasOutside: Bool
    /// `source_ranges4/6` must allow the client (spec 24).
    package var isRestricted: Bool
    /// They allow the node itself, whose sockets may have no address yet.
    package var allowsHost: Bool
    /// What becomes of a pod's socket that has no address yet; `none` where the frontend is not restricted.
    package var pods: SourceRanges.Pods
    /// Sockets pass; packets are translated.
    package var leavesSockets: Bool

    /// The datapath picks one of the slots without asking how many there are, so none of them means to reject.
    init(_ frontend: DesiredFrontend, of service: ServiceID, run: SlotRun, affinitySeconds: UInt32) {
        let isEmpty = frontend.action == .balance && run.count == 0
        self.init(
            service: service, run: run, affinitySeconds: affinitySeconds, kind: frontend.kind,
            action: isEmpty ? .reject : frontend.action, policy: frontend.policy, hostOnly: frontend.hostOnly,
            hasOutside: frontend.hasOutside, isRestricted: frontend.sourceRanges != nil,
            allowsHost: frontend.sourceRanges?.admitsVIP ?? false,
            pods: frontend.sourceRanges.map { $0.pods == .undecided ? .none : $0.pods } ?? .none,
            leavesSockets: frontend.leavesSockets)
    }

    init(
        service: ServiceID, run: SlotRun, affinitySeconds: UInt32, kind: DesiredFrontend.Kind,
        action: DesiredFrontend.Action, policy: Service.TrafficPolicy, hostOnly: Bool, hasOutside: Bool,
        isRestricted: Bool = false, allowsHost: Bool = false, pods: SourceRanges.Pods = .none,
        leavesSockets: Bool = false
    ) {
        self.service = service
        self.run = run
        self.affinitySeconds = affinitySeconds
        self.kind = kind
        self.action = action
        self.policy = policy
        self.hostOnly = hostOnly
        self.hasOutside = hasOutside
        self.isRestricted = isRestricted
        self.allowsHost = allowsHost
        self.pods = pods
        self.leavesSockets = leavesSockets
    }
}

/// One element of `slots4/6` that is taken.
package struct SlotEntry: Sendable, Hashable {
    package var service: ServiceID
    package var backend: BackendID
    package var address: IPAddress
    package var port: UInt16
}

/// One endpoint of one service port in `backends4/6`.
package struct BackendEntry: Sendable, Hashable {
    package var service: ServiceID
    package var address: IPAddress
    package var port: Port
    package var proto: IPProtocol
    package var state: DesiredBackend.State
    package var isLocal: Bool
    package var inCluster: Bool
    package var inLocal: Bool
    /// Empty if unknown; at most 31 bytes, longer ones are cut.
    package var zone: String
}

/// The value of an address in `vips4/6`: a port there without a frontend is refused (spec 28).
package struct VIPEntry: Sendable, Hashable {
    /// How many entries of `services4/6` have this address.
    package var frontends: UInt32
}

/// The key of `node_ports`.
package struct NodePortKey: Sendable, Hashable, Comparable {
    package var port: Port
    package var proto: IPProtocol

    package static func < (left: NodePortKey, right: NodePortKey) -> Bool {
        (left.port, left.proto) < (right.port, right.proto)
    }
}

/// What `service_counts` counted for a service port, added up over the CPUs.
package struct ServiceCounter: Sendable, Hashable {
    /// Connections, and UDP sends to a backend that the socket did not have.
    package var forwarded: UInt64 = 0
    /// Connects and sends that were refused; a reason that never came up has no entry.
    package var refusals: [RefusalReason: UInt64] = [:]

    package init(forwarded: UInt64 = 0, refusals: [RefusalReason: UInt64] = [:]) {
        self.forwarded = forwarded
        self.refusals = refusals
    }

    /// For whatever reason.
    package var refused: UInt64 { refusals.values.reduce(0, &+) }

    static func += (left: inout ServiceCounter, right: ServiceCounter) {
        left.forwarded &+= right.forwarded
        left.refusals.merge(right.refusals, uniquingKeysWith: &+)
    }
}

/// Why a service port refuses a client, by the names that people see in metrics and reports.
package enum RefusalReason: String, Sendable, Hashable, CaseIterable {
    /// No endpoint anywhere (spec 27).
    case noEndpoints = "no_endpoints"
    /// Local policy, and endpoints on other nodes only (spec 17, 19).
    case noLocalEndpoints = "no_local_endpoints"
    /// The client is in no range of `loadBalancerSourceRanges` (spec 24).
    case source
    /// What should not happen: a slot that is another service port's.
    case other
}
