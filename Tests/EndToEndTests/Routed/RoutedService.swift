import ConnectBenchmark
import NetworkLab

/// A Service of the routed tests, from which both the manifest and kube-proxy's rules are made.
struct RoutedService {
    var name: String
    /// The last number of its addresses in every range: 10.96.0.n, fd00:10:96::n, 203.0.113.n, 2001:db8:2::n.
    var number: Int
    var isUDP = false
    var nodePort: Int
    /// By number, first those of node 1.
    var pods = RoutedService.localPods + RoutedService.remotePods
    var keepsClient = false
    var sourceRanges: [String] = []
    var isSticky = false
    /// Of its frontends, but for NodePorts.
    var port = 80
    /// In place of the address for its number.
    var externalPod: PodName?

    static let localPods = (1...3).map { PodName(node: 1, number: $0) }
    static let remotePods = (1...2).map { PodName(node: 2, number: $0) }

    struct PodName: Hashable {
        var node: Int
        var number: Int
        var text: String { "pod-\(node)-\(number)" }
        func address(_ family: IPVersion) -> String {
            family == .v4 ? "10.244.\(node).\(10 + number)" : "fd00:10:244:\(node)::\(10 + number)"
        }
    }

    /// What the suite's node serves.
    static let all = [
        RoutedService(name: "web", number: 80, nodePort: 30080),
        RoutedService(name: "dns", number: 53, isUDP: true, nodePort: 30053),
        RoutedService(name: "near", number: 81, nodePort: 30081, pods: [localPods[0]]),
        RoutedService(name: "near-too", number: 82, nodePort: 30082, pods: [localPods[0]]),
        RoutedService(name: "remote", number: 83, nodePort: 30083, pods: [remotePods[0]]),
        RoutedService(
            name: "kept", number: 84, nodePort: 30084, pods: [localPods[0], remotePods[0]], keepsClient: true),
        RoutedService(name: "elsewhere", number: 85, nodePort: 30085, pods: [remotePods[0]], keepsClient: true),
        RoutedService(name: "nobody", number: 86, nodePort: 30086, pods: []),
        RoutedService(name: "nobody-udp", number: 87, isUDP: true, nodePort: 30087, pods: []),
        RoutedService(
            name: "ranged", number: 88, nodePort: 30088, sourceRanges: ["198.51.100.3/32", "2001:db8:1::3/128"]),
        RoutedService(name: "sticky", number: 89, nodePort: 30089, isSticky: true),
        RoutedService(
            name: "kept-udp", number: 90, isUDP: true, nodePort: 30090, pods: [localPods[1]], keepsClient: true),
        RoutedService(name: "remote-udp", number: 91, isUDP: true, nodePort: 30091, pods: [remotePods[0]]),
        RoutedService(name: "near-udp", number: 92, isUDP: true, nodePort: 30092, pods: [localPods[0]]),
    ]

    /// Not among them: its doors are where connections are open already, at an address of the node and at a pod's.
    static let late = [
        RoutedService(
            name: "late", number: 93, nodePort: 30093, pods: [remotePods[1]], port: 8080, externalPod: localPods[1]),
        RoutedService(
            name: "late-udp", number: 94, isUDP: true, nodePort: 30093, pods: [remotePods[1]], port: 8080,
            externalPod: localPods[1]),
    ]

    static subscript(name: String) -> RoutedService {
        get throws {
            guard let service = all.first(where: { $0.name == name }) else { throw TestFailure("no service \(name)") }
            return service
        }
    }

    // MARK: Where it is reached

    func clusterIP(_ family: IPVersion) -> String { family == .v4 ? "10.96.0.\(number)" : "fd00:10:96::\(number)" }
    func loadBalancer(_ family: IPVersion) -> String { family == .v4 ? "203.0.113.\(number)" : "2001:db8:2::\(number)" }
    func externalIP(_ family: IPVersion) -> String {
        if let externalPod { return externalPod.address(family) }
        return family == .v4 ? "203.0.113.\(100 + number)" : "2001:db8:2::1:\(number)"
    }

    /// The address to call, as `swiftlet-lab` takes it.
    func door(_ kind: Door, _ family: IPVersion) -> String {
        switch kind {
        case .nodePort: family.endpoint(family.node, nodePort)
        case .loadBalancer: family.endpoint(loadBalancer(family), port)
        case .externalIP: family.endpoint(externalIP(family), port)
        case .clusterIP: family.endpoint(clusterIP(family), port)
        }
    }

    // MARK: Two ways to write it down

    var manifest: String {
        let proto = isUDP ? "UDP" : "TCP"
        var spec = "type: LoadBalancer\nexternalIPs: [\"\(externalIP(.v4))\", \"\(externalIP(.v6))\"]"
        if keepsClient { spec += "\nexternalTrafficPolicy: Local" }
        if isSticky { spec += "\nsessionAffinity: ClientIP" }
        if !sourceRanges.isEmpty {
            spec += "\nloadBalancerSourceRanges: [\(sourceRanges.map { "\"\($0)\"" }.joined(separator: ", "))]"
        }
        let service = Manifest.service(
            name, IPVersion.allCases.map(clusterIP),
            ports: ["{port: \(port), protocol: \(proto), nodePort: \(nodePort)}"], spec: spec,
            ingress: IPVersion.allCases.map(loadBalancer))
        return ([service] + IPVersion.allCases.map(slice)).joined(separator: "\n---\n")
    }

    private func slice(_ family: IPVersion) -> String {
        let endpoints = pods.map { "{addresses: [\"\($0.address(family))\"], nodeName: node-\($0.node)}" }
        return """
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: \(name)-\(family), labels: {kubernetes.io/service-name: \(name)}}
            addressType: \(family == .v4 ? "IPv4" : "IPv6")
            ports: [{port: 8080, protocol: \(isUDP ? "UDP" : "TCP")}]
            endpoints: [\(endpoints.joined(separator: ", "))]
            """
    }

    func rule(_ family: IPVersion) throws -> RuleService {
        let endpoints = try pods.map { try family.address($0.address(family), 8080) }
        var rule = RuleService(
            name: "default/\(name)", frontend: try family.address(clusterIP(family), UInt16(port)), endpoints: endpoints
        )
        rule.transport = isUDP ? "udp" : "tcp"
        rule.nodePort = UInt16(nodePort)
        rule.externalIPs = [externalIP(family)]
        rule.loadBalancerIPs = [loadBalancer(family)]
        rule.sourceRanges = sourceRanges.filter { $0.contains(":") == (family == .v6) }
        rule.affinitySeconds = isSticky ? 10_800 : nil
        if keepsClient {
            rule.localEndpoints = try pods.filter { $0.node == 1 }.map { try family.address($0.address(family), 8080) }
        }
        return rule
    }
}

/// What a client outside may knock at.
enum Door: String, CaseIterable {
    case nodePort, loadBalancer, externalIP, clusterIP
}

/// IPv4 and IPv6 come from one text, so each test runs for both.
enum IPVersion: String, CaseIterable, CustomStringConvertible {
    case v4, v6

    var description: String { rawValue }
    var node: String { self == .v4 ? RoutedTopology.node4 : RoutedTopology.node6 }
    /// Towards the network, and towards its pods.
    var nodeAddresses: Set<String> { self == .v4 ? [node, "10.244.1.1"] : [node, "fd00:10:244:1::1"] }
    var clients: [String] { self == .v4 ? RoutedTopology.clients4 : RoutedTopology.clients6 }
    var podRange: String { self == .v4 ? "10.244.0.0/16" : "fd00:10:244::/48" }

    func endpoint(_ host: String, _ port: Int) -> String { self == .v4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    func address(_ host: String, _ port: UInt16) throws -> SocketAddress {
        guard let address = SocketAddress(host: host, port: port) else { throw TestFailure("\(host) is no address") }
        return address
    }
}
