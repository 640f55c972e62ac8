import Glibc
import NetworkLab
import Testing

/// Programs on devices, as a daemon finds them and leaves them.
@Suite(
    "devices", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3, starts: false,
        manifests: ["web.yaml": ServedManifests.web, "elsewhere.yaml": ServedManifests.elsewhere]))
struct DeviceTests {
    private static let frontend = "192.0.2.1:30080"
    private static let datagrams = "192.0.2.1:30053"

    @Test("packets are translated without the daemon, and no more once another one is told to leave the devices alone")
    func follows() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        try node.start()
        #expect(try node.call(Self.frontend, "--count", "5", from: .outside).results == ["ok"])
        try node.stop()
        #expect(try node.call(Self.frontend, "--count", "5", from: .outside).results == ["ok"])

        try node.start(with: arguments + ["--devices", "none"])
        #expect(try node.call(Self.frontend, from: .outside).summary.ok == 0, "\(node.logText)")
        #expect(try node.call(Self.frontend, from: .pod(1)).results == ["ok"])
        try node.stop()

        try node.start(with: arguments)
        #expect(try node.call(Self.frontend, "--count", "5", from: .outside).results == ["ok"])
        try node.stop()
    }

    /// Spec 18: to a Service with the policy Local and its endpoints elsewhere, pods get in where clients outside do not.
    @Test("whoever comes from a device of pods is inside, and whom the Node object's ranges hold, as these change")
    func tellsInside() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        func calls() throws -> CallReport {
            try node.call("192.0.2.1:30099", "--count", "2", "--timeout", "300", from: .outside)
        }
        for options in [
            ["--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix=et"],
            ["--detect-local-mode=BridgeInterface", "--pod-bridge-interface=eth0"],
        ] {
            try node.start(with: arguments + options)
            #expect(try calls().results == ["ok"], "\(options)")
            try node.stop()
        }

        try node.start(with: arguments + ["--detect-local-mode=NodeCIDR"])
        #expect(try calls().results == ["ETIMEDOUT"])
        try node.write(Manifest.node + "\nspec: {podCIDRs: [192.0.2.2/32]}", to: "node.yaml")
        #expect(try eventually { try calls().results == ["ok"] })
        try node.write(Manifest.node, to: "node.yaml")
        #expect(try eventually { try calls().results == ["ETIMEDOUT"] })
        try node.stop()
    }

    /// Whoever follows the advice sees at once that it was good, although the kernel tells nobody of it.
    @Test("a setting that is in the way of packets is named while it is so: as a complaint, or as a risk")
    func namesSettings() throws {
        let node = try TestNode.current
        try node.start()
        defer { _ = try? node.stop() }
        func names(_ setting: String) throws -> (complaint: Bool, risk: Bool) {
            let status = try node.status()
            return (
                status.degraded.contains { $0.hasPrefix(setting) },
                status.daemon?.risks.contains { $0.hasPrefix(setting) } == true
            )
        }
        for (path, wrong, isRisk) in [("ipv4/ip_forward", "0", false), ("ipv4/conf/eth0/rp_filter", "1", true)] {
            let setting = "net." + path.replacing("/", with: ".") + " is \(wrong): "
            try node.lab.node.set(path, to: wrong)
            #expect(try names(setting) == (!isRisk, isRisk))
            try node.lab.node.set(path, to: isRisk ? "2" : "1")
            #expect(try names(setting) == (false, false))
        }
    }

    /// The programs are replaced in place; the flows are in maps that stay.
    @Test("a restart with another time-out makes flows end sooner, and with the old one again later")
    func forgetsFlows() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        let short = ["--conntrack-udp-timeout=1s", "--conntrack-udp-timeout-stream=1s"]
        for (options, isForgotten) in [([], false), (short, true), ([], false)] {
            try node.start(with: arguments + options)
            let flow = try node.hold(Self.datagrams, "--udp", from: .outside)
            #expect(try flow.send().map(\.result) == ["ok"])
            let begun = try node.status().counters["flow_begun"] ?? 0
            usleep(2_200_000)
            #expect(try flow.send().map(\.result) == ["ok"])
            let news = try node.status().counters["flow_begun"].map { $0 - begun }
            #expect(news == (isForgotten ? 1 : 0), "\(options)")
            try node.stop()
        }
    }
}
