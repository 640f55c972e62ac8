/// A frontend that a Service asks for and another one holds (spec 25).
package struct Conflict: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The Service that goes without.
    package var service: ObjectName
    /// Both scopes are lost together; this is the one of the node.
    package var frontend: FrontendKey
    package var heldBy: ObjectName

    package init(service: ObjectName, frontend: FrontendKey, heldBy: ObjectName) {
        self.service = service
        self.frontend = frontend
        self.heldBy = heldBy
    }

    package var description: String { "\(service) cannot have \(frontend): \(heldBy) holds it" }

    package static func < (left: Conflict, right: Conflict) -> Bool {
        (left.service, left.frontend) < (right.service, right.frontend)
    }
}

extension Collection<Conflict> {
    /// A line for each Service, in the order of the first ones: a Service may ask for thousands of addresses.
    package var lines: [(service: ObjectName, text: String)] {
        var order: [Conflict] = []
        var counts: [ObjectName: Int] = [:]
        for conflict in self {
            let count = counts[conflict.service, default: 0]
            if count == 0 { order.append(conflict) }
            counts[conflict.service] = count + 1
        }
        return order.map { first in
            let more = counts[first.service, default: 1] - 1
            let verb = more == 1 ? "is" : "are"
            let rest = more == 0 ? "" : "; \(more) more of its frontends \(verb) held, too"
            return (first.service, "\(first)\(rest)")
        }
    }
}

/// Which of several Services has a frontend: the least of these (spec 25).
///
/// What the API server or a controller assigns goes before what a user may write into `externalIPs`; then the older Service
/// goes first, so that a newcomer takes nothing from the others, then the first by name.
package struct ClaimPrecedence: Sendable, Hashable, Comparable {
    package enum Title: Int, Sendable, Hashable {
        /// The API server gives each to one Service.
        case clusterIP
        /// A NodePort, or an address in the status of a load balancer.
        case assigned
        case chosen

        package init(_ kind: DesiredFrontend.Kind) {
            switch kind {
            case .clusterIP: self = .clusterIP
            case .nodePort, .loadBalancer: self = .assigned
            case .externalIP: self = .chosen
            }
        }
    }

    package var title: Title
    /// Nil, as in manifests, counts as the youngest.
    package var created: UnixTime?
    package var service: ObjectName

    package init(_ title: Title, created: UnixTime?, service: ObjectName) {
        self.title = title
        self.created = created
        self.service = service
    }

    package static func < (left: ClaimPrecedence, right: ClaimPrecedence) -> Bool {
        let latest = UnixTime(nanoseconds: .max)
        return (left.title.rawValue, left.created ?? latest, left.service)
            < (right.title.rawValue, right.created ?? latest, right.service)
    }
}

/// Which Services claim each frontend, and which one has it, in whatever order they came.
struct Claims: Sendable {
    private typealias Claim = ClaimPrecedence

    private var holders = CompactDictionary<FrontendKey, Claim>()
    /// The others, sorted; hardly any key has some.
    private var waiting: [FrontendKey: [Claim]] = [:]
    /// Another number whenever `conflicts` may have changed.
    private(set) var revision = 0

    func holder(of key: FrontendKey) -> ObjectName? { holders[key.claimed]?.service }

    /// Sorted by service, then frontend.
    var conflicts: [Conflict] {
        var conflicts: [Conflict] = []
        for (key, claims) in waiting {
            guard let holder = holders[key] else { continue }
            conflicts += claims.map { Conflict(service: $0.service, frontend: key, heldBy: holder.service) }
        }
        return conflicts.sorted()
    }

    /// Asks for a frontend; returns the other Service that loses or gets it by this.
    mutating func claim(
        _ frontend: DesiredFrontend, for service: ObjectName, created: UnixTime?
    ) -> ObjectName? {
        let key = frontend.key.claimed
        let claim = Claim(.init(frontend.kind), created: created, service: service)
        if holders[key] == nil {
            holders[key] = claim
            return nil
        }
        if holders[key] == claim { return nil }
        return setClaims((rivals(of: service, for: key) + [claim]).sorted(), of: key, by: service)
    }

    /// Gives up a frontend; returns the other Service that gets it by this.
    mutating func withdraw(_ key: FrontendKey, by service: ObjectName) -> ObjectName? {
        setClaims(rivals(of: service, for: key.claimed), of: key.claimed, by: service)
    }

    private func rivals(of service: ObjectName, for key: FrontendKey) -> [Claim] {
        ([holders[key]].compactMap(\.self) + (waiting[key] ?? [])).filter { $0.service != service }
    }

    private mutating func setClaims(_ claims: [Claim], of key: FrontendKey, by service: ObjectName) -> ObjectName? {
        revision += 1
        let before = holders[key]?.service
        let after = claims.first?.service
        holders[key] = claims.first
        waiting[key] = claims.count > 1 ? Array(claims.dropFirst()) : nil
        if before == after { return nil }
        return before == service ? after : before
    }
}

extension FrontendKey {
    /// The scopes of a frontend are claimed together: half a frontend is of no use.
    var claimed: FrontendKey { FrontendKey(address: address, port: port, proto: proto) }
}
