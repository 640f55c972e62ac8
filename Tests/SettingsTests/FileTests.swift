import Foundation
import Logging
import Observability
import ServiceModel
import Settings
import SystemPackage
import Testing

/// Reads a configuration from text, the way `--config` does.
func layer(of text: String) throws -> ConfigurationLayer {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("swl-\(getpid())-\(UUID()).yaml")
    try text.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    do {
        return try ConfigurationLayer(file: file.path)
    } catch {
        throw ConfigurationError(error.description.replacingOccurrences(of: file.path, with: "FILE"))
    }
}

/// The defaults, and what a file says.
func configuration(of text: String) throws -> Configuration {
    var configuration = Configuration(nodeName: "here")
    try configuration.apply(layer(of: text))
    return configuration
}

/// A file of kube-proxy's with these lines below its kind.
func kubeProxyFile(_ lines: String) -> String {
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n\(lines)\n"
}

@Suite("kube-proxy's configuration file")
struct KubeProxyFileTests {
    @Test("a full file is read: what has an effect has it, the rest is named once with its reason")
    func full() throws {
        let settings = try configuration(of: Samples.full)
        var expected = Configuration(nodeName: "node-7")
        expected.cluster.kubeconfig = "/var/lib/kube-proxy/kubeconfig.conf"
        expected.node.localTraffic.clusterCIDRs = ["10.244.0.0/16", "fd00:244::/48"].compactMap(CIDR.init)
        expected.node.localTraffic.mode = .interfaceNamePrefix
        expected.node.localTraffic.bridgeInterface = "cni0"
        expected.node.localTraffic.interfaceNamePrefix = "veth"
        expected.node.masqueradesAll = true
        expected.node.nodePorts = .primaryAndWithin(["192.168.0.0/16"].compactMap(CIDR.init))
        expected.packets.timeouts.tcpEstablished = .seconds(86_400)
        expected.packets.timeouts.tcpCloseWait = .seconds(3_600)
        expected.packets.timeouts.udp = .seconds(30)
        expected.packets.timeouts.udpStream = .seconds(180)
        expected.node.servesExternalIPs = false
        expected.featureGates = ["AllowServiceExternalIPs": false, "KubeProxyNFTablesLocalhostNodePorts": true]
        expected.healthzAddress = ListenAddress(host: "192.0.2.7", port: 20_256)
        expected.metricsAddress = ListenAddress(host: "::", port: 20_249)
        expected.syncPeriod = .seconds(75)
        expected.oomScoreAdjustment = -500
        expected.logFormat = .json
        expected.logLevel = .debug
        expected.withoutEffect = settings.withoutEffect
        #expect(settings == expected)
        #expect(settings.withoutEffectText == Samples.fullWithoutEffect)
    }

    @Test("the file that kubeadm writes sets what it says, and nothing of it is worth a notice")
    func kubeadm() throws {
        let settings = try configuration(of: Samples.kubeadm)
        var expected = Configuration(nodeName: "here")
        expected.cluster.kubeconfig = "/var/lib/kube-proxy/kubeconfig.conf"
        expected.node.localTraffic.clusterCIDRs = ["10.244.0.0/16"].compactMap(CIDR.init)
        expected.node.nodePorts = .all
        #expect(settings == expected)
        #expect(settings.withoutEffectText == nil)
    }

    @Test(
        "NodePorts are where the mode has them unless the file says where (spec 57)",
        arguments: [
            ("", .all), ("mode: \"\"", .all), ("mode: iptables", .all), ("mode: ipvs", .all),
            ("mode: nftables", .primary),
            ("mode: iptables\nnodePortAddresses: [primary]", .primary),
        ] as [(String, NodePortAddresses)])
    func nodePortsOfMode(lines: String, expected: NodePortAddresses) throws {
        #expect(try configuration(of: kubeProxyFile(lines)).node.nodePorts == expected)
    }

    @Test("the section conntrack may stand below linux, as in the next version of the API")
    func conntrackOfLinux() throws {
        let settings = try configuration(
            of: kubeProxyFile("linux: {conntrack: {udpTimeout: 5s, tcpCloseWaitTimeout: 0s}}"))
        #expect(settings.packets.timeouts.udp == .seconds(5))
        #expect(settings.packets.timeouts.tcpCloseWait == FlowTimeouts().tcpCloseWait)
        #expect(settings.withoutEffect.isEmpty)
    }

    @Test(
        "what cannot be used names the file, the field and what to write",
        arguments: [
            ("clusterCIDRs: 10.0.0.0/8", "unknown field \"clusterCIDRs\"; did you mean clusterCIDR?"),
            (
                "nftables: {masqeradeAll: true}",
                "unknown field \"nftables.masqeradeAll\"; did you mean nftables.masqueradeAll?"
            ),
            ("maxPerCore: 3", "unknown field \"maxPerCore\"; did you mean conntrack.maxPerCore?"),
            ("somethingElseAltogether: 3", "unknown field \"somethingElseAltogether\"; leave it out"),
            ("clusterCIDR: 10.0.0.1", "clusterCIDR is 10.0.0.1; write CIDRs like 10.244.0.0/16,fd00:244::/64"),
            (
                "detectLocalMode: Cluster",
                "detectLocalMode is Cluster; write one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix"
            ),
            (
                "healthzBindAddress: here",
                "healthzBindAddress is here; write an address and a port like 0.0.0.0:10256 or [::]:10256, or none"
            ),
            ("oomScoreAdj: -2000", "oomScoreAdj is -2000; write a number from -1000 to 1000"),
            (
                "mode: nftables\nnftables: {syncPeriod: often}",
                "nftables.syncPeriod is often; write a span of time like 30s, 1m30s or 500ms"
            ),
            (
                "nodePortAddresses: [10.0.0.0/99]",
                "nodePortAddresses is [10.0.0.0/99]; write primary, localhost, all, or CIDRs like 192.168.0.0/16,fd00::/8"
            ),
            ("nodePortAddresses: primary", "nodePortAddresses is primary; write a list"),
            ("detectLocal: cni0", "detectLocal is cni0; write a map with keys and values"),
            (
                "featureGates: {AllowServiceExternalIPs: maybe}",
                "featureGates.AllowServiceExternalIPs is maybe; write true or false"
            ),
            ("logging: {format: xml}", "logging.format is xml; write text or json"),
            ("swiftlet: {maxSlot: 3}", "unknown key \"maxSlot\"; did you mean maxSlots?"),
            (
                "swiftlet: {socketDestroyRate: 0}",
                "swiftlet.socketDestroyRate is 0; write a number from 1 up; --socket-destroy=off destroys none"
            ),
            ("swiftlet: {maxSlots: lots}", "swiftlet.maxSlots is lots; write a number from 1 to 16777216"),
        ])
    func mistakes(lines: String, expected: String) {
        let error = #expect(throws: ConfigurationError.self) { try layer(of: kubeProxyFile(lines)) }
        #expect(error?.description == "cannot read configuration FILE: \(expected)")
    }

    @Test(
        "another kind of file is refused",
        arguments: [
            ("kind: KubeletConfiguration", "kind is KubeletConfiguration"),
            ("apiVersion: kubeproxy.config.k8s.io/v1alpha1", "kind is nothing"),
            (
                "kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v2",
                "apiVersion is kubeproxy.config.k8s.io/v2"
            ),
        ])
    func kinds(text: String, expected: String) {
        let error = #expect(throws: ConfigurationError.self) { try layer(of: text) }
        #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
    }

    /// Lines of a file, and what they come to.
    struct Mode: Sendable {
        var lines: String
        var masquerades: Bool
        var seconds: Int
    }

    @Test(
        "settings that kube-proxy has for each mode are those of the file's mode",
        arguments: [
            Mode(lines: "iptables: {masqueradeAll: true, syncPeriod: 1m}", masquerades: true, seconds: 60),
            Mode(
                lines: "mode: nftables\niptables: {masqueradeAll: true, syncPeriod: 1m}", masquerades: false,
                seconds: 30),
            Mode(
                lines: "mode: nftables\nnftables: {masqueradeAll: true, syncPeriod: 40s}", masquerades: true,
                seconds: 40),
            Mode(
                lines: "mode: ipvs\niptables: {masqueradeAll: true}\nipvs: {syncPeriod: 50s}", masquerades: true,
                seconds: 50),
            Mode(lines: "nftables: {syncPeriod: 0s}\niptables: {syncPeriod: 1m}", masquerades: false, seconds: 60),
            Mode(lines: "linux: {masqueradeAll: true}\nsyncPeriod: 1h", masquerades: true, seconds: 3600),
        ])
    func modes(mode: Mode) throws {
        let settings = try configuration(of: kubeProxyFile(mode.lines))
        #expect(settings.node.masqueradesAll == mode.masquerades)
        #expect(settings.syncPeriod == .seconds(mode.seconds))
    }

    @Test("an IPv6 bind address makes the default addresses IPv6 ones, and no others")
    func bindAddress() throws {
        let settings = try configuration(of: kubeProxyFile("bindAddress: \"::\""))
        #expect(settings.healthzAddress?.description == "[::]:10256")
        #expect(settings.metricsAddress?.description == "[::1]:10249")
        let chosen = try configuration(of: kubeProxyFile("bindAddress: \"::\"\nhealthzBindAddress: 0.0.0.0:1"))
        #expect(chosen.healthzAddress?.description == "0.0.0.0:1")
    }
}

@Suite("time-outs as JSON")
struct FlowTimeoutCodingTests {
    @Test("are in seconds, and read back")
    func seconds() throws {
        var timeouts = FlowTimeouts()
        timeouts.udp = .milliseconds(1500)
        let json = try JSONEncoder().encode(timeouts)
        let fields = try JSONDecoder().decode([String: Double].self, from: json)
        #expect(fields["udp"] == 1.5 && fields["tcpEstablished"] == 86_400 && fields.count == 7)
        #expect(try JSONDecoder().decode(FlowTimeouts.self, from: json) == timeouts)
    }
}
