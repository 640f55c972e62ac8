import Foundation
import NetworkLab
import Testing

/// The program itself, as far as `--write-config-to`: it needs no privileges, and touches nothing else.
@Suite("the command line")
struct CommandLineTests {
    private struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// The build directory: the test bundle and the program lie side by side.
    static let swiftlet: String = {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: executable).deletingLastPathComponent().path + "/swiftlet"
    }()

    func run(_ arguments: [String]) throws -> (status: ChildProcess.Status, output: String) {
        var child = try ChildProcess([Self.swiftlet] + arguments, output: .pipe, errors: .merged)
        let output = try child.readToEnd(within: 60_000)
        return (try child.wait(), output)
    }

    /// What `swiftlet run` with these flags, and this file, would run with.
    func effective(_ flags: [String], file: String? = nil) throws -> String {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("swl-\(getpid())-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        var arguments = ["run"] + flags + ["--write-config-to", directory.path + "/out"]
        if let file {
            try file.write(toFile: directory.path + "/in", atomically: true, encoding: .utf8)
            arguments += ["--config", directory.path + "/in"]
        }
        let outcome = try run(arguments)
        guard outcome.status == .exited(0) else { throw Failure(description: outcome.output) }
        return try String(contentsOfFile: directory.path + "/out", encoding: .utf8)
    }

    /// kube-proxy's flags, each with a value that kube-proxy takes.
    static let kubeProxyFlags = [
        "--add_dir_header", "--alsologtostderr", "--bind-address=0.0.0.0", "--bind-address-hard-fail",
        "--cluster-cidr=10.244.0.0/16", "--config-sync-period=15m0s", "--conntrack-max-per-core=32768",
        "--conntrack-min=131072", "--conntrack-tcp-be-liberal", "--conntrack-tcp-timeout-close-wait=1h0m0s",
        "--conntrack-tcp-timeout-established=24h0m0s", "--conntrack-udp-timeout=0s",
        "--conntrack-udp-timeout-stream=0s", "--detect-local-mode=ClusterCIDR", "--feature-gates=AllAlpha=false,A=true",
        "--healthz-bind-address=0.0.0.0:10256", "--healthz-port=10256", "--hostname-override=node-1", "--init-only",
        "--iptables-localhost-nodeports=false", "--iptables-masquerade-bit=14", "--iptables-min-sync-period=1s",
        "--iptables-sync-period=30s", "--ipvs-exclude-cidrs=10.0.0.0/8", "--ipvs-min-sync-period=0s",
        "--ipvs-scheduler=rr", "--ipvs-strict-arp", "--ipvs-sync-period=30s", "--ipvs-tcp-timeout=0s",
        "--ipvs-tcpfin-timeout=0s", "--ipvs-udp-timeout=0s", "--kube-api-burst=10",
        "--kube-api-content-type=application/vnd.kubernetes.protobuf", "--kube-api-qps=5",
        "--kubeconfig=/var/lib/kube-proxy/kubeconfig", "--log-flush-frequency=5s", "--log-json-info-buffer-size=0",
        "--log-json-split-stream", "--log-text-info-buffer-size=0", "--log-text-split-stream",
        "--log_backtrace_at=file:7", "--log_dir=/tmp", "--log_file=/tmp/l", "--log_file_max_size=1800",
        "--logging-format=text", "--logtostderr=true", "--masquerade-all", "--master=https://192.0.2.1:6443",
        "--metrics-bind-address=127.0.0.1:10249", "--metrics-port=10249", "--nodeport-addresses=192.168.0.0/16",
        "--one_output", "--oom-score-adj=-999", "--pod-bridge-interface=cni0", "--pod-interface-name-prefix=veth",
        "--profiling", "--proxy-mode=nftables", "--proxy-port-range=0-0", "--show-hidden-metrics-for-version=1.35",
        "--skip_headers", "--skip_log_headers", "--stderrthreshold=2", "-v=2", "--v=2", "--vmodule=proxier=4",
    ]

    @Test("every flag of kube-proxy is accepted")
    func accepts() throws {
        let text = try effective(Self.kubeProxyFlags)
        #expect(text.contains("hostnameOverride: \"node-1\""))
        #expect(text.contains("masqueradeAll: true"))
        #expect(text.contains("kubeconfig: \"/var/lib/kube-proxy/kubeconfig\""))
        #expect(text.contains("apiServers: [\"https://192.0.2.1:6443\"]"))
        #expect(text.contains("nodePortAddresses: [\"192.168.0.0/16\"]"))
    }

    @Test("flags win over the file, and the file over the defaults")
    func precedence() throws {
        let file = Samples.full
        let text = try effective(
            ["--cluster-cidr", "10.0.0.0/8", "--oom-score-adj=1", "--v=6", "--masquerade-all=false"], file: file)
        for line in [
            "clusterCIDR: \"10.0.0.0/8\"", "oomScoreAdj: 1", "logLevel: \"trace\"", "masqueradeAll: false",
            "healthzBindAddress: \"192.0.2.7:20256\"", "syncPeriod: \"75s\"", "bindProtection: true",
        ] { #expect(text.contains(line), "\(line) is missing in\n\(text)") }
    }

    @Test("what is written is read back as it is")
    func roundTrip() throws {
        let text = try effective(Self.kubeProxyFlags + ["--service-proxy-name=mine", "--state-dir=", "--max-slots=7"])
        #expect(try effective([], file: text) == text)
    }

    @Test("a time-out of 0 leaves kube-proxy's settings as they are, and is a mistake elsewhere")
    func zeroTimeouts() throws {
        #expect(
            try effective(["--conntrack-udp-timeout=0s", "--conntrack-tcp-timeout-established=0"]) == effective([]))
        let text = try effective(["--conntrack-udp-timeout=5s", "--bpf-ct-timeout-regular-tcp-fin=1m30s"])
        #expect(
            text.contains("  udpTimeout: \"5s\"") && text.contains("  bpfCTTimeoutRegularTCPFIN: \"90s\""), "\(text)")
    }

    @Test("a list may be one text, or the flag repeated")
    func repeats() throws {
        let once = try effective(["--nodeport-addresses=10.0.0.0/8,fd00::/8"])
        #expect(once.contains("nodePortAddresses: [\"10.0.0.0/8\",\"fd00::/8\"]"))
        #expect(try effective(["--nodeport-addresses", "10.0.0.0/8", "--nodeport-addresses", "fd00::/8"]) == once)
        #expect(try effective(["--nodeport-addresses=primary"]) == effective([]))
    }

    @Test("health and metrics can be switched off", arguments: ["--healthz-port=0", "--healthz-bind-address=none"])
    func nowhere(flag: String) throws {
        #expect(try effective([flag]).contains("healthzBindAddress: \"none\""))
    }

    @Test(
        "a wrong value names the flag and what to write",
        arguments: [
            ("--cluster-cidr=10.0.0.1", "--cluster-cidr", "write CIDRs"),
            ("--detect-local-mode=Cluster", "--detect-local-mode", "write one of ClusterCIDR"),
            ("--detect-local-mode=BridgeInterface", "bridge", "--pod-bridge-interface"),
            (
                "--service-cidr=" + (0...8).map { "10.\($0).0.0/16" }.joined(separator: ","), "--service-cidr",
                "there is room for 8"
            ),
            (
                "--cluster-cidr=" + (0...8).map { "fd00:\($0)::/32" }.joined(separator: ","), "--cluster-cidr",
                "cannot use 9 IPv6 ranges"
            ),
            ("--nodeport-addresses=some", "--nodeport-addresses", "write primary"),
            ("--healthz-bind-address=here", "--healthz-bind-address", "write an address and a port"),
            ("--metrics-bind-address=0.0.0.0:x", "--metrics-bind-address", "write an address and a port"),
            ("--oom-score-adj=2000", "--oom-score-adj", "write a number from -1000 to 1000"),
            ("--sync-period=0s", "--sync-period", "longer than 0"),
            ("--conntrack-udp-timeout=5", "--conntrack-udp-timeout", "write a span of time"),
            ("--bpf-ct-timeout-regular-any=0s", "--bpf-ct-timeout-regular-any", "longer than 0"),
            ("--feature-gates=A", "--feature-gates", "write gates like"),
            ("--hostname-override=", "--hostname-override", "write the name of a Node object"),
            ("--masquerade-all=perhaps", "--masquerade-all", "perhaps"),
            ("--v=high", "--v", "high"), ("--master=ftp://a", "--master", "write it like https"),
            ("--hostname-override=two words", "--hostname-override", "write the name of a Node object"),
            ("--ipvs-schedular=rr", "--ipvs-schedular", "--ipvs"),
            ("--without-effect=maybe", "--without-effect", "none of these flags"),
        ])
    func mistakes(flag: String, name: String, advice: String) throws {
        let outcome = try run(["run", flag, "--write-config-to", "/dev/null"])
        #expect(outcome.status == .exited(2), "\(outcome)")
        #expect(outcome.output.contains(name) && outcome.output.contains(advice), "\(outcome)")
    }

    @Test(
        "manifests and a cluster at once are refused",
        arguments: ["--kubeconfig=/k", "--apiserver=https://a", "--master=https://a"])
    func twoSources(flag: String) throws {
        let outcome = try run(["run", "--manifests=/m", flag, "--write-config-to", "/dev/null"])
        #expect(outcome.status == .exited(2), "\(outcome)")
        #expect(outcome.output.contains("cannot read manifests and a cluster at once"), "\(outcome)")
    }

    @Test("a file that cannot be written is named")
    func unwritable() throws {
        let outcome = try run(["run", "--write-config-to", "/absent/file"])
        #expect(outcome.status == .exited(1), "\(outcome)")
        #expect(outcome.output.contains("cannot write configuration /absent/file"), "\(outcome)")
    }

    @Test("compile takes the flags of run that choose for a node")
    func compiles() throws {
        let outcome = try run([
            "compile", "--manifests", "/var/empty", "--node", "here", "--masquerade-all", "--cluster-cidr",
            "10.0.0.0/8",
        ])
        #expect(outcome.output.contains("node here, zone unknown"), "\(outcome)")
        #expect(outcome.output.contains("pods in 10.0.0.0/8"), "\(outcome)")
    }

    @Test("shells get completions of commands, flags, their values, and Services", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) throws {
        let outcome = try run(["completion", shell])
        #expect(outcome.status == .exited(0))
        for word in ["takeover", "kube-proxy-replacement", "InterfaceNamePrefix", "services -A -o name"] {
            #expect(outcome.output.contains(word))
        }
    }
}
