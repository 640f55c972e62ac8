import Foundation
import Logging
import ManifestDirectory
import NodeNetwork
import Observability
import ServiceModel
import Settings
import SystemPackage
import Testing

@Suite("swiftlet's configuration")
struct ConfigurationTests {
    @Test("every key of swiftlet's own file has its effect")
    func own() throws {
        let settings = try configuration(
            of: """
                kubeProxyReplacement: true
                kubeconfig: /etc/kubeconfig
                context: prod
                apiServers: ["https://192.0.2.1:6443", "https://192.0.2.2:6443"]
                stateDir: ""
                nodeName: Node-7
                serviceProxyName: swiftlet
                nodePortAddresses: [all]
                clusterCIDR: 10.244.0.0/16, fd00::/8
                detectLocalMode: BridgeInterface
                podBridgeInterface: cni0
                podInterfaceNamePrefix: veth
                masqueradeAll: true
                cgroupRoot: /sys/fs/cgroup/a
                bpfRoot: /sys/fs/bpf/a
                bindProtection: false
                maxServices: 1
                maxBackends: 2
                maxSlots: 3
                maxSourceRanges: 4
                maxFlows: 6
                mapMemoryLimit: 5
                socketLBExcludeCgroups: ["kubepods*/**/left-*", system.slice/envoy*]
                podInterfaces: [auto, "!veth9"]
                forwarding: redirect
                masqueradePorts: 2000-2999,61000
                serviceNodePortRange: 20000-22767
                conntrackTCPTimeoutEstablished: 1h
                conntrackTCPTimeoutCloseWait: 2m
                conntrackUDPTimeout: 3s
                conntrackUDPTimeoutStream: 4500ms
                bpfCTTimeoutRegularTCPSYN: 5s
                bpfCTTimeoutRegularTCPFIN: 6s
                bpfCTTimeoutRegularAny: 7s
                healthzBindAddress: none
                metricsBindAddress: 0.0.0.0
                metricsPerBackend: true
                eventRecording: false
                syncPeriod: 1m
                oomScoreAdj: 0
                featureGates: {AllowServiceExternalIPs: false}
                logLevel: trace
                logFormat: json
                """)
        #expect(settings == Self.everythingElse)
    }

    /// No property has its default, but for those of which `SettingTests` has the rest.
    static let everythingElse: Configuration = {
        var settings = Configuration(nodeName: "node-7")
        settings.kubeProxyReplacement = true
        settings.cluster.kubeconfig = "/etc/kubeconfig"
        settings.cluster.context = "prod"
        settings.cluster.apiServers = ["https://192.0.2.1:6443", "https://192.0.2.2:6443"]
        settings.stateDirectory = nil
        settings.node.proxyName = "swiftlet"
        settings.node.nodePorts = .all
        settings.node.localTraffic.clusterCIDRs = ["10.244.0.0/16", "fd00::/8"].compactMap(CIDR.init)
        settings.node.localTraffic.mode = .bridgeInterface
        settings.node.localTraffic.bridgeInterface = "cni0"
        settings.node.localTraffic.interfaceNamePrefix = "veth"
        settings.node.masqueradesAll = true
        settings.node.servesExternalIPs = false
        settings.cgroupRoot = "/sys/fs/cgroup/a"
        settings.bpfRoot = "/sys/fs/bpf/a"
        settings.bindProtection = false
        settings.mapSizes.services = 1
        settings.mapSizes.backends = 2
        settings.mapSizes.slots = 3
        settings.mapSizes.sourceRanges = 4
        settings.mapSizes.flows = 6
        settings.mapSizes.memoryLimit = 5
        settings.leftCgroups = ["kubepods*/**/left-*", "system.slice/envoy*"].compactMap {
            try? CgroupPattern(setting: $0)
        }
        if let pods = try? PodInterfaceChoice(settings: ["auto,!veth9"], flag: "") {
            settings.packets.podInterfaces = pods
        }
        settings.packets.forwarding = .redirect
        settings.packets.masqueradePorts = [PortRange(2_000, 2_999), PortRange(61_000, 61_000)].compactMap { $0 }
        settings.packets.nodePortRange = PortRange(20_000, 22_767) ?? .usualNodePorts
        settings.packets.timeouts.tcpEstablished = .seconds(3_600)
        settings.packets.timeouts.tcpCloseWait = .seconds(120)
        settings.packets.timeouts.udp = .seconds(3)
        settings.packets.timeouts.udpStream = .milliseconds(4_500)
        settings.packets.timeouts.tcpSYN = .seconds(5)
        settings.packets.timeouts.tcpFIN = .seconds(6)
        settings.packets.timeouts.any = .seconds(7)
        settings.healthzAddress = nil
        settings.metricsAddress = ListenAddress(host: "0.0.0.0", port: 10_249)
        settings.metricsPerBackend = true
        settings.recordsEvents = false
        settings.syncPeriod = .seconds(60)
        settings.oomScoreAdjustment = 0
        settings.featureGates = ["AllowServiceExternalIPs": false]
        settings.logLevel = .trace
        settings.logFormat = .json
        return settings
    }()

    private static let oddCharacters: Configuration = {
        var settings = Configuration(nodeName: "here")
        settings.manifests = [
            "/one", "/two: # no comment", "/a \"quoted\" \\ name\u{7}", "/two\u{85}lines\u{2028}\u{FEFF}\u{9F}",
        ]
        settings.node.nodePorts = .primaryAndWithin(["192.0.2.0/24"].compactMap(CIDR.init))
        settings.syncPeriod = .milliseconds(1500)
        return settings
    }()

    @Test(
        "what is written is read back",
        arguments: [Configuration(nodeName: "here"), everythingElse, oddCharacters])
    func roundTrip(settings: Configuration) throws {
        var read = Configuration(nodeName: "another")
        try read.apply(layer(of: settings.fileText))
        #expect(read == settings)
    }

    @Test("configz has kube-proxy's shape")
    func configz() throws {
        let body = try JSONSerialization.jsonObject(with: Data(Self.everythingElse.configzBody().utf8))
        let outer = try #require(body as? [String: Any])
        let inner = try #require(outer["kubeproxy.config.k8s.io"] as? [String: Any])
        #expect(outer.count == 1)
        #expect(inner["clusterCIDR"] as? String == "10.244.0.0/16,fd00::/8")
        #expect(inner["metricsBindAddress"] as? String == "0.0.0.0:10249")
        #expect((inner["nftables"] as? [String: Any])?["syncPeriod"] as? String == "60s")
        #expect((inner["swiftlet"] as? [String: Any])?["maxSlots"] as? Int == 3)
    }

    @Test("a layer above wins, and says nothing of what it does not name")
    func layers() throws {
        var settings = try configuration(
            of: "nodeName: a\nmaxSlots: 7\nfeatureGates: {AllowServiceExternalIPs: false, B: true}")
        var flags = ConfigurationLayer()
        flags.set(\.node.name, "b")
        flags.set(gates: ["AllowServiceExternalIPs": true])
        try settings.apply(flags)
        #expect(settings.node.name == "b")
        #expect(settings.mapSizes.slots == 7)
        #expect(settings.featureGates == ["AllowServiceExternalIPs": true, "B": true])
        #expect(settings.node.servesExternalIPs)
        #expect(settings.withoutEffectText == "feature gate B: swiftlet has no such feature gate")
    }

    @Test("a source above replaces the one below; two at once are refused")
    func sources() throws {
        var settings = try configuration(of: "kubeconfig: /file\ncontext: c")
        var flags = ConfigurationLayer()
        flags.set(\.manifests, ["/flag"])
        try settings.apply(flags)
        #expect(try settings.source(in: Self.noPod) == .manifests(["/flag"]))
        flags.set(\.cluster.kubeconfig, "/flag")
        #expect(throws: ConfigurationError.self) { try settings.apply(flags) }
        var cluster = ConfigurationLayer()
        cluster.set(\.cluster.kubeconfig, "/flag")
        try settings.apply(cluster)
        var expected = ClusterAccess()
        expected.kubeconfig = "/flag"
        #expect(try settings.source(in: Self.noPod) == .cluster(expected))
    }

    private static let noPod = PodEnvironment(namesAPIServer: false, hasServiceAccount: false)

    @Test("without a source, a pod serves its own cluster, and others are told what to name")
    func inCluster() throws {
        let settings = Configuration(nodeName: "here")
        let pod = PodEnvironment(namesAPIServer: true, hasServiceAccount: true)
        #expect(try settings.source(in: pod) == .cluster(ClusterAccess()))
        let outside = #expect(throws: ConfigurationError.self) { try settings.source(in: Self.noPod) }
        #expect(
            outside?.description
                == "nothing to serve: name a directory with --manifests DIR, or a cluster with --kubeconfig FILE")
        let bare = PodEnvironment(namesAPIServer: true, hasServiceAccount: false)
        let unmounted = #expect(throws: ConfigurationError.self) { try settings.source(in: bare) }
        #expect(unmounted?.description.contains("let it mount its service account") == true)
    }

    @Test("where an API server is", arguments: ["https://10.0.0.1:6443", "http://api/k8s", "10.0.0.1:6443"])
    func apiServers(url: String) throws {
        try checkAPIServer(setting: url)
        #expect(try configuration(of: "apiServers: [\"\(url)\"]").cluster.apiServers == [url])
    }

    @Test("where none is", arguments: ["", "ftp://a", "https://", "https://a:0", "https://a?b"])
    func noAPIServers(url: String) {
        #expect(throws: (any Error).self) { try checkAPIServer(setting: url) }
        #expect(throws: ConfigurationError.self) { try configuration(of: "apiServers: [\"\(url)\"]") }
    }

    @Test("a context needs a kubeconfig")
    func context() throws {
        var settings = Configuration(nodeName: "here")
        settings.cluster.context = "c"
        let error = #expect(throws: ConfigurationError.self) { try settings.source(in: Self.noPod) }
        #expect(error?.description.contains("--kubeconfig FILE") == true)
    }

    @Test(
        "a detector that lacks its name is refused",
        arguments: [LocalTrafficMode.bridgeInterface, .interfaceNamePrefix])
    func detectors(mode: LocalTrafficMode) throws {
        var settings = Configuration(nodeName: "here")
        settings.node.localTraffic.mode = mode
        #expect(throws: ConfigurationError.self) { try settings.check() }
        settings.node.localTraffic.bridgeInterface = "a"
        settings.node.localTraffic.interfaceNamePrefix = "b"
        try settings.check()
    }

    @Test(
        "spans of time, as Go writes them",
        arguments: [
            ("30s", Duration.seconds(30)), ("1m0s", .seconds(60)), ("1h2m3.5s", .milliseconds(3_723_500)),
            ("500ms", .milliseconds(500)), ("0", .zero), ("0s", .zero), ("1.5h", .seconds(5400)),
            ("2us", .microseconds(2)), ("2µs", .microseconds(2)), ("7ns", .nanoseconds(7)),
        ])
    func durations(text: String, expected: Duration) throws {
        #expect(try Duration(goSetting: text) == expected)
    }

    @Test("what is no span of time", arguments: ["", "s", "30", "-5s", "1d", "30 s", "1m30", "1..5s", "infs"])
    func noDurations(text: String) {
        #expect(throws: (any Error).self) { try Duration(goSetting: text) }
    }

    @Test(
        "where to listen",
        arguments: [
            ("0.0.0.0:10256", "0.0.0.0:10256"), ("[::]:1", "[::]:1"), ("127.0.0.1", "127.0.0.1:10256"),
            ("::1", "[::1]:10256"), ("", nil), ("none", nil),
        ])
    func addresses(text: String, expected: String?) throws {
        #expect(try BindSetting(text, for: .healthz).address?.description == expected)
    }

    @Test(
        "where nobody can listen",
        arguments: ["here", ":10256", "0.0.0.0:", "0.0.0.0:65536", "::1:x", "[::1]:0"])
    func noAddresses(text: String) {
        #expect(throws: (any Error).self) { try BindSetting(text, for: .healthz) }
    }

    @Test(
        "ports are ranges, apart from each other and few enough",
        arguments: [
            ("auto", "none"), ("1024-29999, 61000", "1024-29999 61000"), ("2000-1000", "write ports like 30000-32767"),
            ("0-5", "write ports like 30000-32767"), ("1-70000", "write ports like 30000-32767"),
            ("1-2-3", "write ports like 30000-32767"), ("", "write ports like 30000-32767"),
            ("1-5,5-9", "write each port once"), ("1,3,5,7,9", "write 4 ranges at most"),
        ])
    func ports(setting: String, expected: String) {
        let text: String
        do throws(SettingMistake) {
            let ranges = try PortRange.masqueradePorts(setting: setting)
            text = ranges.isEmpty ? "none" : ranges.map(\.description).joined(separator: " ")
        } catch {
            text = "\(error)"
        }
        #expect(text == expected)
    }
}
