/// A frontend that a Service asks for and another one holds (spec 25).
public struct Conflict: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The Service that goes without.
    public var service: ObjectName
    /// Both scopes are lost together; this is the one of the node.
    public var frontend: FrontendKey
    public var heldBy: ObjectName

    public init(service: ObjectName, frontend: FrontendKey, heldBy: ObjectName) {
        self.service = service
        self.frontend = frontend
        self.heldBy = heldBy
    }

    public var description: String { "\(service) cannot have \(frontend): \(heldBy) holds it" }

    public static func < (left: Conflict, right: Conflict) -> Bool {
        (left.service, left.frontend) < (right.service, right.frontend)
    }
}

/// Who asks for which frontend, and who has it.
///
/// The first in this order has it, whoever came first: a ClusterIP (the API server gives each to one Service, while
/// anybody may write it into `externalIPs`), then by name.
struct Claims: Sendable {
    private struct Claim: Sendable, Hashable, Comparable {
        var service: ObjectName
        var isClusterIP: Bool

        static func < (left: Claim, right: Claim) -> Bool {
            left.isClusterIP == right.isClusterIP ? left.service < right.service : left.isClusterIP
        }
    }

    private var holders: [FrontendKey: Claim] = [:]
    /// The others, sorted; hardly any key has some.
    private var waiting: [FrontendKey: [Claim]] = [:]

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
    mutating func claim(_ frontend: DesiredFrontend, for service: ObjectName) -> ObjectName? {
        let key = frontend.key.claimed
        let claim = Claim(service: service, isClusterIP: frontend.kind == .clusterIP)
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
