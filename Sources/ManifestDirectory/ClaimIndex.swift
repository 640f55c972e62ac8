import ServiceModel

/// Which Services claim which VIP:port and NodePort, to notice when two claim the same.
struct ClaimIndex {
    struct Claim: Hashable, Comparable, CustomStringConvertible {
        /// Nil for a NodePort.
        var address: IPAddress?
        var port: Port
        var proto: IPProtocol

        var description: String {
            address.map { $0.family == .v4 ? "\($0):\(port)/\(proto)" : "[\($0)]:\(port)/\(proto)" }
                ?? "NodePort \(port)/\(proto)"
        }

        static func < (left: Claim, right: Claim) -> Bool { left.description < right.description }
    }

    /// The Services of one claim, of which there is almost always one.
    private enum Claimants {
        case one(ObjectName)
        case many(Set<ObjectName>)
    }

    private var claimants: [Claim: Claimants] = [:]
    private var claims: [ObjectName: Set<Claim>] = [:]
    private var contested: Set<Claim> = []

    mutating func setService(_ service: Service?, name: ObjectName) {
        let after = service.map(Self.claims(of:)) ?? []
        let before = claims[name] ?? []
        claims[name] = after.isEmpty ? nil : after
        for claim in before.subtracting(after) { remove(claim, of: name) }
        for claim in after.subtracting(before) { add(claim, of: name) }
    }

    /// Each claim of more than one Service, and these in order.
    var conflicts: [(claim: Claim, services: [ObjectName])] {
        contested.sorted().map { claim in
            guard case .many(let names) = claimants[claim] else { return (claim, []) }
            return (claim, names.sorted())
        }
    }

    private mutating func add(_ claim: Claim, of name: ObjectName) {
        switch claimants[claim] {
        case nil: claimants[claim] = .one(name)
        case .one(let other):
            claimants[claim] = .many([other, name])
            contested.insert(claim)
        case .many(let names): claimants[claim] = .many(names.union([name]))
        }
    }

    private mutating func remove(_ claim: Claim, of name: ObjectName) {
        guard case .many(let names) = claimants[claim] else {
            claimants[claim] = nil
            return
        }
        let rest = names.subtracting([name])
        claimants[claim] = .many(rest)
        if let last = rest.first, rest.count == 1 {
            claimants[claim] = .one(last)
            contested.remove(claim)
        }
    }

    private static func claims(of service: Service) -> Set<Claim> {
        if service.kind == .externalName || service.isHeadless { return [] }
        let ingress = service.ingress.filter { $0.mode == .vip }.map(\.address)
        var claims: Set<Claim> = []
        for port in service.ports {
            for address in service.clusterIPs + service.externalIPs + ingress {
                claims.insert(Claim(address: address, port: port.port, proto: port.proto))
            }
            if let nodePort = port.nodePort, service.kind != .clusterIP {
                claims.insert(Claim(address: nil, port: nodePort, proto: port.proto))
            }
        }
        return claims
    }
}
