import ServiceModel
import TestKit

/// Random objects that use everything that the model has, as a source of state may deliver them.
struct RandomObjects {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func events(_ count: Int) -> [ClusterEvent] {
        (0..<count).map { number in
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4: .service(service(number))
            case 4..<9: .slice(slice(number))
            default: .node(node(number))
            }
        }
    }

    private mutating func chance(_ oneIn: Int) -> Bool { random.chance(oneIn) }

    private mutating func one<Element>(of choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    private mutating func some<Element>(of choices: [Element]) -> [Element] {
        choices.filter { _ in random.chance(2) }
    }

    /// Texts that every notation has a trap for.
    private mutating func text() -> String {
        one(of: [
            "a", "web", "10", "true", "null", "~", "- a", "a: b", "# a", "\"", "\\", "{}", "[", "a\nb", "\t", " a ",
            "ä€😀", "\u{7F}\u{85}\u{2028}\u{2029}\u{FEFF}", "\u{0}\u{1F}", "%", "'", "*a", "&a", "!a", "---", "",
            "ip-10-0-0-1.eu-central-1.compute.internal",
        ])
    }

    private mutating func texts() -> [String: String] {
        var texts: [String: String] = [:]
        for _ in 0..<Int.random(in: 0..<3, using: &random) { texts["k\(text())"] = text() }
        return texts
    }

    private mutating func name(_ number: Int) -> ObjectName {
        ObjectName(namespace: one(of: ["default", "shop", "kube-system"]), name: "object-\(number)")
    }

    private mutating func endpointAddress(_ family: IPFamily) -> IPAddress {
        while true {
            let address = address(family)
            if address.mayBeEndpoint { return address }
        }
    }

    private mutating func address(_ family: IPFamily) -> IPAddress {
        switch family {
        case .v4: IPAddress(v4: .random(in: 0 ... .max, using: &random))
        case .v6: IPAddress(v6: .random(in: 1 ... .max, using: &random), .random(in: 0 ... .max, using: &random))
        }
    }

    private mutating func port() -> Port? { Port(Int.random(in: 1...65_535, using: &random)) }

    private mutating func service(_ number: Int) -> Service {
        var service = Service(name: name(number))
        service.labels = texts()
        service.annotations = texts()
        service.kind = one(of: [.clusterIP, .nodePort, .loadBalancer, .externalName])
        if service.kind == .externalName {
            service.externalName = "example.com"
        } else {
            service.isHeadless = service.kind == .clusterIP && chance(4)
            if !service.isHeadless { service.clusterIPs = some(of: [address(.v4), address(.v6)]) }
            service.externalIPs = some(of: [address(.v4), address(.v6)])
        }
        for name in ["a", "b", "c"].prefix(Int.random(in: 1...3, using: &random)) {
            guard let port = port() else { continue }
            service.ports.append(
                .init(
                    name: name, proto: one(of: IPProtocol.allCases), port: port, nodePort: chance(2) ? nil : self.port()
                ))
        }
        if chance(2) { service.ingress = [.init(address: address(.v4), mode: chance(2) ? .vip : .proxy)] }
        service.loadBalancerSourceRanges = some(of: ["10.0.0.0/8", " 192.0.2.0/24", "fd00::/8"])
        service.affinitySeconds = chance(2) ? nil : UInt32.random(in: 1...86_400, using: &random)
        service.externalPolicy = chance(2) ? .cluster : .local
        service.internalPolicy = chance(2) ? .cluster : .local
        service.healthCheckNodePort = chance(2) ? nil : port()
        service.publishNotReadyAddresses = chance(2)
        service.selector = chance(2) ? nil : ["app": text()]
        return service
    }

    private mutating func slice(_ number: Int) -> EndpointSlice {
        let family = one(of: IPFamily.allCases)
        var slice = EndpointSlice(
            name: name(number), serviceName: chance(9) ? "" : "object-\(number)",
            addressType: chance(9) ? .fqdn : family == .v4 ? .ipv4 : .ipv6)
        if chance(4) { slice.labels = ["service.kubernetes.io/headless": ""] }
        if chance(2) { slice.lastChangeTrigger = UnixTime(nanoseconds: .random(in: 0 ... .max, using: &random)) }
        for name in ["a", "b"] {
            guard let port = port() else { continue }
            slice.ports.append(.init(name: name, proto: one(of: IPProtocol.allCases), port: port))
        }
        if slice.addressType == .fqdn { return slice }
        for _ in 0..<Int.random(in: 0..<4, using: &random) {
            slice.endpoints.append(
                Endpoint(
                    address: endpointAddress(family), ready: chance(2), serving: chance(2), terminating: chance(2),
                    nodeName: chance(3) ? nil : text(), zone: chance(3) ? nil : text(),
                    zoneHints: some(of: [text(), "a"]), nodeHints: some(of: [text(), "b"])))
        }
        return slice
    }

    private mutating func node(_ number: Int) -> Node {
        var node = Node(name: "node-\(number)")
        node.labels = texts()
        node.addresses = some(of: [address(.v4), address(.v6), address(.v4)])
        node.podCIDRs = some(of: [CIDR("10.244.0.0/24"), CIDR("fd00:10::/64")].compactMap { $0 })
        node.isBeingDeleted = chance(2)
        node.isTaintedForDeletion = chance(2)
        return node
    }
}
