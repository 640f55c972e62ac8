import NetworkLab

/// A Service of a soak: how it is reached, and what its manifest says.
struct SoakService: Sendable {
    /// What becomes of it in the course of a soak.
    enum Fate: Sendable {
        /// Nothing: long-lived flows lead here.
        case stays
        /// Its endpoints change, and there is always one.
        case changes
        /// It loses all endpoints at times, or is deleted, and comes back.
        case comesAndGoes
    }

    enum FrontendKind: String, Sendable, CaseIterable {
        case clusterIP = "ClusterIP"
        case externalIP
        case loadBalancer = "LoadBalancer"
        case nodePort = "NodePort"
    }

    struct Frontend: Sendable, Hashable {
        let kind: FrontendKind
        let address: SocketAddress
        let isUDP: Bool
        /// Loopback is the node's own.
        var isForOutside = true
        /// Whether the maps name this address, and not only for sockets of the node.
        var isShown = true
    }

    let number: Int
    let fate: Fate
    /// Clients stick to a backend as long as it is in the set.
    let isSticky: Bool

    /// Six that stay, four that change with affinity, twelve without, six that come and go.
    static let all: [SoakService] = (0..<28).map { number in
        SoakService(
            number: number, fate: number < 6 ? .stays : number < 22 ? .changes : .comesAndGoes,
            isSticky: (6..<10).contains(number))
    }

    static let podCount = 8

    var name: String { "soak-\(number)" }
    var file: String { "\(name).yaml" }
    /// Its endpoints' port, which no other Service's have: an answer tells whose it is.
    var port: UInt16 { UInt16(9_000 + number) }
    private var host: Int { 10 + number }
    private var tcpNodePort: UInt16 { UInt16(30_100 + number) }
    private var udpNodePort: UInt16 { UInt16(30_200 + number) }

    /// Where clients find it.
    var frontends: [Frontend] {
        var frontends: [Frontend] = []
        func add(_ kind: FrontendKind, _ host: String, _ tcp: UInt16, _ udp: UInt16, inside: Bool = false) {
            for (isUDP, port) in [(false, tcp), (true, udp)] {
                guard let address = SocketAddress(host: host, port: port) else { continue }
                frontends.append(
                    Frontend(kind: kind, address: address, isUDP: isUDP, isForOutside: !inside, isShown: !inside))
            }
        }
        add(.clusterIP, "10.96.1.\(host)", 80, 53)
        add(.clusterIP, "fd00:96:1::\(host)", 80, 53)
        add(.externalIP, "198.51.100.\(host)", 80, 53)
        add(.externalIP, "2001:db8:7::\(host)", 80, 53)
        add(.loadBalancer, "203.0.113.\(host)", 80, 53)
        add(.nodePort, Lab.nodeAddress4, tcpNodePort, udpNodePort)
        add(.nodePort, Lab.nodeAddress6, tcpNodePort, udpNodePort)
        add(.nodePort, "127.0.0.1", tcpNodePort, udpNodePort, inside: true)
        return frontends
    }

    /// The manifest of a state; nil when there is none.
    func manifest(of state: ServiceHistory.State) -> String? {
        guard case .serving(let pods) = state else { return nil }
        return ([service] + slices(of: pods)).joined(separator: "\n---\n")
    }

    private var service: String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name)}
        spec:
          type: LoadBalancer
          clusterIPs: ["10.96.1.\(host)", "fd00:96:1::\(host)"]
          ipFamilies: [IPv4, IPv6]
          externalIPs: ["198.51.100.\(host)", "2001:db8:7::\(host)"]
          sessionAffinity: \(isSticky ? "ClientIP" : "None")
          ports:
          - {name: http, port: 80, nodePort: \(tcpNodePort)}
          - {name: dns, port: 53, protocol: UDP, nodePort: \(udpNodePort)}
        status: {loadBalancer: {ingress: [{ip: "203.0.113.\(host)"}]}}
        """
    }

    private func slices(of pods: Set<Int>) -> [String] {
        [("IPv4", "10.244.0."), ("IPv6", "fd00:10:244::")].map { family, prefix in
            let endpoints = pods.sorted().map { "{addresses: [\"\(prefix)\(10 + $0)\"]}" }
            return """
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: \(name)-\(family.lowercased()), labels: {kubernetes.io/service-name: \(name)}}
                addressType: \(family)
                ports:
                - {name: http, port: \(port), protocol: TCP}
                - {name: dns, port: \(port), protocol: UDP}
                endpoints: [\(endpoints.joined(separator: ", "))]
                """
        }
    }

    /// Another state than those that may be met, by chance.
    func next(after history: ServiceHistory, using random: inout some RandomNumberGenerator) -> ServiceHistory.State? {
        let number = Int.random(in: 0..<6, using: &random)
        let pods = Set((1...Self.podCount).filter { _ in Bool.random(using: &random) })
        let state: ServiceHistory.State =
            switch fate {
            case .stays: history.newest.state
            case .changes: .serving(pods.isEmpty ? [1] : pods)
            case .comesAndGoes: number == 0 ? .absent : .serving(number == 1 ? [] : pods)
            }
        return history.canTell(state) ? state : nil
    }
}
