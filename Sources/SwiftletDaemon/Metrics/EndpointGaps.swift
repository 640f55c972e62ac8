import Observability
import ServiceModel

/// Service ports that have endpoints, and none on this node where a Local policy wants one (spec 17, 19).
struct EndpointGaps: Sendable, Hashable {
    enum Policy: String, Sendable, Hashable, CaseIterable {
        case `internal`
        case external
    }

    struct Key: Sendable, Hashable {
        var family: HealthFamily
        var policy: Policy
    }

    private(set) var counts: [Key: UInt64] = [:]

    init(_ desired: DesiredState = DesiredState()) {
        for port in desired.services.values.lazy.flatMap(\.ports) {
            let dropping = port.frontends.lazy.filter { $0.action == .drop }
            for policy in Policy.allCases {
                // The internal policy decides about the ClusterIP, the external one about all else.
                guard dropping.contains(where: { ($0.kind == .clusterIP) == (policy == .internal) }) else { continue }
                counts[Key(family: HealthFamily(port.name.family), policy: policy), default: 0] += 1
            }
        }
    }
}

/// Services with a service port that has no backend, by the reason's code: one of `EmptyReason`, or what their pods tell.
struct EmptyServices: Sendable, Hashable {
    /// Every reason of `EmptyReason` has a count, so that a series is there before it is needed.
    private(set) var counts: [ReasonCode: Int]

    init(_ desired: DesiredState = DesiredState(), _ ofPods: [ServicePortName: Reason] = [:]) {
        counts = Dictionary(EmptyReason.allCases.map { ($0.code, 0) }, uniquingKeysWith: { first, _ in first })
        for service in desired.services.values {
            // Its ports, and both families, mostly have one reason in common.
            let codes = service.ports.compactMap { port in port.emptyReason.map { ofPods[port.name]?.code ?? $0.code } }
            for code in Set(codes) { counts[code, default: 0] += 1 }
        }
    }
}

extension HealthFamily {
    init(_ family: IPFamily) { self = family == .v4 ? .ipv4 : .ipv6 }
}
