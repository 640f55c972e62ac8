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

        /// NodePorts last.
        static func < (left: Claim, right: Claim) -> Bool {
            switch (left.address, right.address) {
            case (let one?, let other?): (one, left.port, left.proto) < (other, right.port, right.proto)
            case (nil, nil): (left.port, left.proto) < (right.port, right.proto)
            case (let one, _): one != nil
            }
        }
    }

    /// What a Service claims and does not get: the first of it, and how much more there is.
    struct Lost {
        var service: ObjectName
        var claim: Claim
        var holder: ObjectName
        var more = 0
    }

    /// The Services of one claim, of which there is almost always one.
    private enum Claimants {
        case one(ObjectName)
        case many(Set<ObjectName>)
    }

    private var claimants = CompactDictionary<Claim, Claimants>()
    /// What each Service claims, in collections whose storage is shared with the Service itself.
    private var services = CompactDictionary<ObjectName, Claimant>()
    private var contested: Set<Claim> = []

    mutating func setService(_ service: Service?, name: ObjectName) {
        let before = services[name]?.claims ?? []
        services[name] = service.map(Claimant.init)
        let after = services[name]?.claims ?? []
        for claim in before.subtracting(after) { remove(claim, of: name) }
        for claim in after.subtracting(before) { add(claim, of: name) }
    }

    /// Of each Service that goes without something, in the order in which the model serves them (spec 25).
    var conflicts: [Lost] {
        var lost: [ObjectName: Lost] = [:]
        for claim in contested {
            guard case .many(let names) = claimants[claim] else { continue }
            let claims = names.compactMap { services[$0]?.precedence(for: claim.address) }.sorted().map(\.service)
            for service in claims.dropFirst() {
                let known = lost[service]
                lost[service] = Lost(service: service, claim: claim, holder: claims[0])
                guard let known else { continue }
                if known.claim < claim { lost[service] = known }
                lost[service]?.more = known.more + 1
            }
        }
        return lost.values.sorted { $0.service < $1.service }
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
}

/// The parts of a Service that claim something.
private struct Claimant {
    private var ports: [Service.PortSpec] = []
    private var clusterIPs: [IPAddress] = []
    private var externalIPs: [IPAddress] = []
    private var ingress: [Service.Ingress] = []
    private var servesNodePorts = false
    private let name: ObjectName
    private let created: UnixTime?

    init(_ service: Service) {
        name = service.name
        created = service.created
        if service.kind == .externalName || service.isHeadless { return }
        ports = service.ports
        clusterIPs = service.clusterIPs
        externalIPs = service.externalIPs
        ingress = service.ingress
        servesNodePorts = service.kind != .clusterIP
    }

    /// - Parameter address: nil for a NodePort.
    func precedence(for address: IPAddress?) -> ClaimPrecedence {
        ClaimPrecedence(title(for: address), created: created, service: name)
    }

    private func title(for address: IPAddress?) -> ClaimPrecedence.Title {
        guard let address else { return .assigned }
        if clusterIPs.contains(address) { return .clusterIP }
        return ingress.contains { $0.mode == .vip && $0.address == address } ? .assigned : .chosen
    }

    var claims: Set<ClaimIndex.Claim> {
        let addresses = clusterIPs + externalIPs + ingress.filter { $0.mode == .vip }.map(\.address)
        var claims: Set<ClaimIndex.Claim> = []
        for port in ports {
            for address in addresses {
                claims.insert(ClaimIndex.Claim(address: address, port: port.port, proto: port.proto))
            }
            if servesNodePorts, let nodePort = port.nodePort {
                claims.insert(ClaimIndex.Claim(address: nil, port: nodePort, proto: port.proto))
            }
        }
        return claims
    }
}
