import NetworkLab
import Testing

/// Pods whose devices real plugins of CNI made, with `--pod-interfaces auto`: what kube-proxy gives, whatever the plugin.
///
/// No test reads the names of devices: those are the plugins'. Pods' sockets are not hooked but where that is said.
@Suite("Pods by plugins of CNI", .tags(.endToEnd), .serialized, .endToEnd, .routed())
struct PluginTests {
    /// Pods on the wire are reached by the router, and no device of the node is theirs alone.
    private static let withDevice = PodPlugin.available.filter { !$0.isOnWire }

    /// Not every kernel has devices for ipvlan: that one is tried where it can be.
    @Test("the plugins are there")
    func present() { #expect(Set(PodPlugin.available).isSuperset(of: [.bridge, .ptp, .macvlan])) }

    @Test("clients outside are served, and pods see the node", arguments: PodPlugin.available, Visit.all)
    func servesClients(plugin: PodPlugin, visit: Visit) throws {
        try PluginExpectations(plugin, visit.family).servesClients(visit.door)
    }

    @Test("pods reach pods of their node, themselves and others", arguments: withDevice, Visit.all)
    func servesPods(plugin: PodPlugin, visit: Visit) throws {
        try PluginExpectations(plugin, visit.family).servesPods(visit.door)
    }

    @Test("a host port by portmap is served beside NodePorts", arguments: withDevice, IPVersion.allCases)
    func leavesHostPorts(plugin: PodPlugin, family: IPVersion) throws {
        try PluginExpectations(plugin, family).leavesHostPorts()
    }

    @Test("sockets of pods are served", arguments: PodPlugin.available, IPVersion.allCases)
    func servesSockets(plugin: PodPlugin, family: IPVersion) throws {
        try PluginExpectations(plugin, family).servesSockets()
    }

    @Test(
        "what is no Service's loses nothing while all of that goes on", arguments: PodPlugin.available,
        IPVersion.allCases)
    func leavesOthers(plugin: PodPlugin, family: IPVersion) throws {
        try PluginExpectations(plugin, family).leavesOthers()
    }
}

/// What holds for the pods of any plugin.
struct PluginExpectations {
    private let node: RoutedNode
    private let family: IPVersion

    init(_ plugin: PodPlugin, _ family: IPVersion) throws {
        node = try .current(Arrangement(proxy: .daemon, plugin: plugin))
        self.family = family
    }

    private func expect(_ calls: CallReport, from pods: Set<String>, _ what: String) {
        #expect(calls.results == ["ok"], "\(what): \(calls.summary)")
        #expect(calls.pods == pods, "\(what)")
    }

    /// Spec 36a.
    func servesClients(_ door: Door) throws {
        for (name, pods) in [("near", ["pod-1-1"]), ("remote", ["pod-2-1"])] {
            let calls = try node.call(
                RoutedService[name].door(door, family), "--count", "5", "--timeout", "5000")
            expect(calls, from: Set(pods), name)
            #expect(calls.sources.isSubset(of: family.nodeAddresses), "\(name): \(calls.sources)")
        }
        let datagrams = try node.call(
            RoutedService["near-udp"].door(door, family), "--udp", "--count", "5", "--timeout", "5000")
        expect(datagrams, from: ["pod-1-1"], "near-udp")
    }

    func servesPods(_ door: Door) throws {
        let options = ["--count", "5", "--timeout", "5000"]
        for (pod, name, backend) in [(2, "near", "pod-1-1"), (1, "near", "pod-1-1"), (2, "remote", "pod-2-1")] {
            let calls = try node.call(fromPod: pod, RoutedService[name].door(door, family), options: options)
            expect(calls, from: [backend], "pod \(pod) → \(name)")
        }
        let datagrams = try node.call(
            fromPod: 2, RoutedService["near-udp"].door(door, family), options: options + ["--udp"])
        expect(datagrams, from: ["pod-1-1"], "pod 2 → near-udp")
        let refused = try node.call(fromPod: 2, RoutedService["nobody"].door(door, family), options: options)
        #expect(refused.results == ["ECONNREFUSED"])
    }

    func servesSockets() throws {
        let options = ["--count", "5", "--timeout", "5000"]
        for (name, pods) in [("near", ["pod-1-1"]), ("remote", ["pod-2-1"])] {
            let door = try RoutedService[name].door(.clusterIP, family)
            expect(try node.callFromHookedPod(2, door, options: options), from: Set(pods), "pod 2 → \(name)")
            expect(try node.callFromNode(door, options: options), from: Set(pods), "node → \(name)")
        }
    }

    func leavesHostPorts() throws {
        let hostPort = family.endpoint(family.node, RoutedTopology.PodNetwork.hostPort.node)
        for udp in [[], ["--udp"]] {
            let options = ["--count", "5", "--timeout", "5000"] + udp
            expect(try node.call(hostPort, options: options), from: ["pod-1-1"], "client → host port \(udp)")
            // That portmap serves the pods behind it is its promise too.
            expect(try node.call(fromPod: 2, hostPort, options: options), from: ["pod-1-1"], "pod → host port \(udp)")
        }
    }

    /// The node's probes, clients that go straight to pods, pods that call each other and what is outside: in between,
    /// Services are called from everywhere, and `status` finds nothing wrong.
    func leavesOthers() throws {
        let bystanders = Bystanders(node: node, family: family)
        for round in 1...3 {
            try servesClients(.nodePort)
            try bystanders.expectProbesAnswered("round \(round)")
            for udp in [[], ["--udp"]] {
                let options = ["--count", "10", "--timeout", "5000"] + udp
                let pod = RoutedService.localPods[0]
                let endpoint = family.endpoint(pod.address(family), 8080)
                expect(try node.call(endpoint, options: options), from: [pod.text], "client → pod \(udp)")
                expect(try node.call(fromPod: 3, endpoint, options: options), from: [pod.text], "pod → pod \(udp)")
                let outside = family.endpoint(family.clients[0], 9000)
                expect(try node.call(fromPod: 3, outside, options: options), from: ["outside"], "pod → outside \(udp)")
            }
        }
        try bystanders.expectClientsPortsFree()
        #expect(try node.status()?.degraded == [])
    }
}
