import ConnectBenchmark
import FoundationEssentials
import Glibc
import NetworkLab

/// What leads the connections of `churn` to endpoints.
enum ChurnProxy: String, CaseIterable {
    case swiftlet
    /// The rules that kube-proxy would write.
    case nftables

    var isAvailable: Bool { self == .swiftlet || (try? Command.run("nft", "--version")) != nil }
}

/// A routed network with echo pods, one Service, and a proxy on its first node.
final class ChurnNode {
    private static let port: UInt16 = 80
    private static let nodePort: UInt16 = 30080
    private static let nodeName = "node-1"
    /// What a pod listens on for clients that close first, and for such as wait for that.
    private static let podPorts: [Closing: UInt16] = [.client: 8080, .endpoint: 8081]
    private static let lab =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "swiftlet-lab"

    private let options: Churn
    private let topology: RoutedTopology
    private let cgroup: Cgroup
    private let bpfRoot: String
    private let directory: String
    private var processes: [SoakProcess] = []

    init(_ options: Churn, _ proxy: ChurnProxy) throws {
        self.options = options
        topology = try RoutedTopology()
        cgroup = try Cgroup("churn")
        let name = cgroup.path.split(separator: "/").last.map(String.init) ?? ""
        bpfRoot = "/sys/fs/bpf/\(name)"
        directory = (ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp") + "/\(name)"
        try FileManager.default.createDirectory(atPath: "\(directory)/manifests", withIntermediateDirectories: true)
        for pod in pods { try start(pod) }
        if let ports = options.clientPorts {
            try topology.client.set("ipv4/ip_local_port_range", to: "\(ports.lowerBound) \(ports.upperBound)")
        }
        switch proxy {
        case .swiftlet: try startDaemon()
        case .nftables:
            let services = try Closing.ordered.map { try rule($0) }
            try NftablesRules(services, clusterRange: podRange, nodeAddresses: [nodeAddress]).load(
                in: topology.node.path)
        }
    }

    deinit {
        for process in processes { process.askToEnd() }
        processes = []
        _ = try? Command.run([options.swiftlet, "cleanup", "--bpf-root", bpfRoot], in: topology.node.path)
        try? FileManager.default.removeItem(atPath: directory)
    }

    private var pods: [RoutedTopology.Pod] { Array((topology.pods + topology.otherPods).prefix(options.endpoints)) }

    private func start(_ pod: RoutedTopology.Pod) throws {
        let ports = ["--tcp", "\(Self.podPorts[.client] ?? 0)", "--farewell", "\(Self.podPorts[.endpoint] ?? 0)"]
        let command = [Self.lab, "serve", "--name", pod.name] + ports
        let process = try SoakProcess(ChildProcess(command, in: pod.namespace.path, output: .pipe))
        _ = try process.readLine()
        processes.append(process)
    }

    private func startDaemon() throws {
        let services = Closing.ordered.map(manifest).joined(separator: "\n---\n")
        try services.write(toFile: "\(directory)/manifests/all.yaml", atomically: true, encoding: .utf8)
        let log = "\(directory)/log"
        let command =
            [
                options.swiftlet, "run", "--kube-proxy-replacement=true", "--manifests", "\(directory)/manifests",
                "--node-name", Self.nodeName, "--cluster-cidr", podRange, "--cgroup-root", cgroup.path,
                "--bpf-root", bpfRoot, "--state-dir", "", "--healthz-bind-address", "none",
                "--metrics-bind-address", "none",
            ] + options.runFlags
        let process = try SoakProcess(
            ChildProcess(["sh", "-c", #"exec "$@" 2>"$0""#, log] + command, in: topology.node.path, output: .null))
        processes.append(process)
        func said() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
        let deadline = MonotonicClock.now + 60_000_000_000
        while !said().contains(" ready") {
            guard MonotonicClock.now < deadline, process.isRunning, !Interruption.isRequested else {
                throw LabError("start", "swiftlet run", cause: said())
            }
            usleep(20_000)
        }
    }

    // MARK: The Service, once with each port of the pods

    private func number(_ closing: Closing) -> Int { closing == .client ? 80 : 81 }
    private var nodeAddress: String { options.ipv6 ? RoutedTopology.node6 : RoutedTopology.node4 }
    private var podRange: String { options.ipv6 ? "fd00:10:244::/48" : "10.244.0.0/16" }
    private func clusterIP(_ closing: Closing) -> String {
        (options.ipv6 ? "fd00:10:96::" : "10.96.0.") + "\(number(closing))"
    }
    private func loadBalancer(_ closing: Closing) -> String {
        (options.ipv6 ? "2001:db8:2::" : "203.0.113.") + "\(number(closing))"
    }
    private func externalIP(_ closing: Closing) -> String {
        (options.ipv6 ? "2001:db8:2::1:" : "203.0.113.1") + "\(number(closing))"
    }
    private func nodePort(_ closing: Closing) -> UInt16 { Self.nodePort + (closing == .client ? 0 : 1) }

    private func address(of pod: RoutedTopology.Pod) -> String { options.ipv6 ? pod.address6 : pod.address4 }

    private func manifest(_ closing: Closing) -> String {
        let endpoints = zip(0..., pods).map { index, pod in
            "{addresses: [\"\(address(of: pod))\"], nodeName: node-\(index < 3 ? 1 : 2)}"
        }
        let family = options.ipv6 ? "IPv6" : "IPv4"
        return """
            apiVersion: v1
            kind: Node
            metadata: {name: \(Self.nodeName)}
            status: {addresses: [{type: InternalIP, address: "\(nodeAddress)"}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: \(closing.rawValue)}
            spec:
              type: LoadBalancer
              clusterIP: "\(clusterIP(closing))"
              clusterIPs: ["\(clusterIP(closing))"]
              ipFamilies: [\(family)]
              externalTrafficPolicy: \(options.local ? "Local" : "Cluster")
              externalIPs: ["\(externalIP(closing))"]
              ports: [{port: \(Self.port), protocol: TCP, nodePort: \(nodePort(closing))}]
            status: {loadBalancer: {ingress: [{ip: "\(loadBalancer(closing))"}]}}
            ---
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: \(closing.rawValue), labels: {kubernetes.io/service-name: \(closing.rawValue)}}
            addressType: \(family)
            ports: [{port: \(Self.podPorts[closing] ?? 0), protocol: TCP}]
            endpoints: [\(endpoints.joined(separator: ", "))]
            """
    }

    private func rule(_ closing: Closing) throws -> RuleService {
        let endpoints = try pods.map { try socketAddress(address(of: $0), Self.podPorts[closing] ?? 0) }
        var rule = RuleService(
            name: "default/\(closing.rawValue)", frontend: try socketAddress(clusterIP(closing), Self.port),
            endpoints: endpoints)
        rule.nodePort = nodePort(closing)
        rule.externalIPs = [externalIP(closing)]
        rule.loadBalancerIPs = [loadBalancer(closing)]
        if options.local { rule.localEndpoints = endpoints }
        return rule
    }

    private func socketAddress(_ host: String, _ port: UInt16) throws -> SocketAddress {
        guard let address = SocketAddress(host: host, port: port) else {
            throw LabError("read", "address \(host)", cause: "it is not one")
        }
        return address
    }

    // MARK: The client

    /// Connects through the four addresses by turns.
    func connect(_ closing: Closing) throws -> LoadReport {
        let targets = try [
            socketAddress(nodeAddress, nodePort(closing)), socketAddress(loadBalancer(closing), Self.port),
            socketAddress(externalIP(closing), Self.port), socketAddress(clusterIP(closing), Self.port),
        ]
        let generator = LoadGenerator(
            targets: targets.map { FlowOptions(target: $0, timeout: 2_000) }, closing: closing, rate: options.rate,
            seconds: options.seconds)
        let path = topology.client.path
        try LabThread.parallel(options.workers) { _ in
            guard (try? LabThread.enterNamespace(path)) != nil else { return }
            generator.work()
        }
        return generator.report
    }

    /// How many resets the client has sent.
    func clientResets() throws -> Int {
        let text = try topology.client.run { try String(contentsOfFile: "/proc/thread-self/net/snmp", encoding: .utf8) }
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("Tcp:") }.map { $0.split(separator: " ") }
        guard lines.count == 2, let place = lines[0].firstIndex(of: "OutRsts"), place < lines[1].count else {
            throw LabError("read", "/proc/net/snmp", cause: "it has no Tcp OutRsts")
        }
        return Int(lines[1][place]) ?? 0
    }
}

extension Closing {
    /// The two ways that leave a connection in TIME_WAIT.
    fileprivate static let ordered: [Closing] = [.client, .endpoint]
}
