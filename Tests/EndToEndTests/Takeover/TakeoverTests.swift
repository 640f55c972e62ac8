import Foundation
import Glibc
import NetworkLab
import TestKit
import Testing

/// From kube-proxy's rules to swiftlet and back, with clients that never stop.
@Suite(
    "takeover", .tags(.endToEnd), .endToEnd, .hasNftables, .serialized,
    .node(
        pods: 4, flags: ["--nodeport-addresses", "all"], starts: false, manifests: TakenServices.manifests))
struct TakeoverTests {
    private var node: TestNode { get throws { try .current } }

    /// Where clients outside knock.
    private static var doors: [String] {
        IPVersion.allCases.flatMap { family -> [String] in
            let node = family == .v4 ? Lab.nodeAddress4 : Lab.nodeAddress6
            let web = TakenServices.web
            return [
                family.endpoint(node, 30_080), family.endpoint(web.loadBalancer(family), 80),
                family.endpoint(web.externalIP(family), 80),
            ]
        }
    }

    /// No endpoint: by rules for packets, a pod of a bridge reaches itself only if the bridge sends packets back to where
    /// they came from.
    private static let clientPod = TestNode.Place.pod(4)

    private static var clusterIPs: [String] {
        IPVersion.allCases.map { $0.endpoint(TakenServices.web.clusterIP($0), 80) }
    }

    @Test(
        "no connect fails and no connection breaks, there and back", .timeLimit(.minutes(3)),
        arguments: KubeProxyRules.Tool.allCases)
    func takesOverAndBack(tool: KubeProxyRules.Tool) throws {
        let node = try node
        try routeServices()
        let rules = try KubeProxyRules(tool, in: node.lab.node.path)
        defer { try? rules.clear() }
        let before = (all: try rules.everything(), foreign: try rules.foreign())
        let held =
            try Self.doors.map { try node.hold($0, "--connections", "5", from: .outside) }
            + Self.clusterIPs.map { try node.hold($0, "--connections", "5", from: .node) }
        func expectHeld(_ moment: String) throws {
            for (flows, door) in zip(held, Self.doors + Self.clusterIPs) {
                let results = try flows.send().map(\.result)
                #expect(results == [String](repeating: "ok", count: 5), "\(door) \(moment)")
            }
        }
        try expectHeld("by kube-proxy's rules")
        let options = ["--rate", "150", "--seconds", "100"]
        let loads = [
            try node.startLoad(Self.doors.joined(separator: ","), options, from: .outside),
            try node.startLoad(Self.clusterIPs.joined(separator: ","), options, from: Self.clientPod),
            try node.startLoad(Self.clusterIPs.joined(separator: ","), options, from: .node),
        ]
        usleep(500_000)
        try node.start()
        let isSeen = node.rights == .root
        #expect(
            node.logText.contains(
                isSeen ? "kube-proxy translates Services on this node too" : "cannot see whether rules of kube-proxy"))
        try expectHeld("beside kube-proxy's rules")

        let rehearsal = try node.swiftlet("takeover", "--dry-run", "--show-scripts")
        #expect(rehearsal.status == .exited(0), "\(rehearsal)")
        try expectSame(rules, before.all)

        let taken = try node.swiftlet("takeover")
        #expect(taken.status == .exited(0), "\(taken)")
        #expect(try rules.ownCount() == 0)
        #expect(try rules.foreign() == before.foreign)
        usleep(500_000)
        try expectHeld("without the rules")
        for door in Self.doors { #expect(try node.call(door, "--count", "5", from: .outside).results == ["ok"]) }
        #expect(try node.swiftlet("status").output.contains("takeover --rollback"))

        let back = try node.swiftlet("takeover", "--rollback")
        #expect(back.status == .exited(0), "\(back)")
        try expectSame(rules, before.all)
        usleep(500_000)
        try expectHeld("with the rules back")
        for load in loads {
            let report = try node.finish(load: load, now: true)
            #expect(report.failed == [:], "\(report.failures)")
            #expect(report.ok > 300)
        }
        try leave(rules)
    }

    /// Rules for packets need a way for what they have not translated yet, and a network of one bridge without advice
    /// to take a shorter way past them.
    private func routeServices() throws {
        let node = try node
        try node.lab.node.ip("route", "replace", "default", "via", Lab.outsideAddress4)
        try node.lab.node.ip("route", "replace", "default", "via", Lab.outsideAddress6)
        for device in ["all", "br0"] { try node.lab.node.set("ipv4/conf/\(device)/send_redirects", to: "0") }
        for pod in node.lab.pods {
            for device in ["all", "eth0"] { try pod.namespace.set("ipv6/conf/\(device)/accept_redirects", to: "0") }
        }
    }

    /// Without swiftlet the rules that were put back serve.
    private func leave(_ rules: KubeProxyRules) throws {
        let node = try node
        try node.stop()
        #expect(try node.swiftlet("cleanup").status == .exited(0))
        for door in Self.doors { #expect(try node.call(door, "--count", "5", from: .outside).results == ["ok"]) }
        for address in Self.clusterIPs { #expect(try node.call(address, from: Self.clientPod).results == ["ok"]) }
    }

    private func expectSame(_ rules: KubeProxyRules, _ before: [String]) throws {
        let now = try rules.everything()
        #expect(now.difference(from: before).map { "\($0)" } == [])
    }
}

/// What keeps `swiftlet takeover` from removing anything; nothing that it says no to is touched.
@Suite(
    "takeover, refused", .tags(.endToEnd), .endToEnd, .hasNftables, .serialized,
    .node(pods: 3, flags: ["--nodeport-addresses", "all"], manifests: TakenServices.manifests))
struct TakeoverRefusalTests {
    private var node: TestNode { get throws { try .current } }

    /// Runs it beside rules of kube-proxy, which must stay, and must not be said to be removable either.
    private func refusal(
        _ tool: KubeProxyRules.Tool, _ disturb: (KubeProxyRules) throws -> Void
    ) throws -> String {
        let node = try node
        let rules = try KubeProxyRules(tool, in: node.lab.node.path)
        defer { try? rules.clear() }
        try disturb(rules)
        let before = try rules.everything()
        let (rehearsal, real) = (try node.swiftlet("takeover", "--dry-run"), try node.swiftlet("takeover"))
        #expect(rehearsal.status == .exited(1) && real.status == .exited(1), "\(real)")
        #expect(try rules.everything() == before)
        return real.output
    }

    @Test("a kube-proxy that runs is named, and left alone")
    func namesProcess() throws {
        let node = try node
        let file = "\(node.directory)/kube-proxy"
        try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: file)
        let process = try RunningProcess([file, "60"], in: node.lab.node.path)
        let words = try refusal(.iptablesNFT) { _ in _ = try eventually { process.isRunning } }
        #expect(words.contains("kube-proxy runs as process \(process.pid)"), "\(words)")
        #expect(words.contains("delete its DaemonSet"))
        #expect(process.isRunning)
        #expect(try node.swiftlet("status").output.contains("process \(process.pid)"))
        try process.terminate()
    }

    @Test("rules of a Service that swiftlet does not know", arguments: KubeProxyRules.Tool.allCases)
    func knowsAll(tool: KubeProxyRules.Tool) throws {
        let node = try node
        try node.remove("dns.yaml")
        defer { try? node.write(TakenServices.manifest(TakenServices.all[1]), to: "dns.yaml") }
        #expect(try eventually { try node.services()["dns"] == nil })
        let words = try refusal(tool) { _ in }
        #expect(words.contains("10.96.0.16:53/UDP"), "\(words)")
    }

    @Test("somebody's rule leads into a chain of kube-proxy")
    func findsForeignJump() throws {
        let words = try refusal(.iptablesLegacy) { rules in
            let script = "*nat\n-A CNI-POSTRTG -p tcp -m tcp --dport 9 -j KUBE-MARK-MASQ\nCOMMIT\n"
            try rules.restore(script, .v4, .iptablesLegacy)
        }
        #expect(words.contains("-A CNI-POSTRTG -p tcp -m tcp --dport 9 -j KUBE-MARK-MASQ"), "\(words)")
    }

    @Test("the ipvs mode is told by its device")
    func findsIPVS() throws {
        let node = try node
        try node.lab.node.ip("link", "add", "kube-ipvs0", "type", "bridge")
        defer { _ = try? node.lab.node.ip("link", "delete", "kube-ipvs0") }
        #expect(try refusal(.nft) { _ in }.contains("kube-ipvs0"))
    }

    @Test("a device holds a Service's address, as with NodeLocal DNSCache: somebody must say that its listener serves")
    func asksAboutHeldAddress() throws {
        let node = try node
        let held = ["10.96.0.16", "fd00:96::16"]
        try node.lab.node.ip("link", "add", "nodelocaldns", "type", "veth", "peer", "name", "nobody")
        defer { _ = try? node.lab.node.ip("link", "delete", "nodelocaldns") }
        try node.lab.node.ip("address", "add", "\(held[0])/32", "dev", "nodelocaldns")
        try node.lab.node.ip("address", "add", "\(held[1])/128", "dev", "nodelocaldns", "nodad")
        func isLeft(_ address: String) throws -> Bool {
            try node.status().daemon?.risks.contains { $0.contains("\(address) is left") } == true
        }
        #expect(try eventually { try held.allSatisfy(isLeft) })
        // NodePorts are on this address, too, as on all.
        let finding = "\(held[0]), \(held[1]): a device of this node holds it"
        let words = try refusal(.nft) { _ in
            let accepted = try node.swiftlet("takeover", "--dry-run", "--accept-unserved")
            #expect(accepted.output.contains(finding) && accepted.output.contains("; accepted"), "\(accepted)")
            #expect(accepted.status == .exited(0), "\(accepted)")
        }
        #expect(words.contains(finding) && words.contains("--accept-unserved"), "\(words)")
    }

    @Test("rules serve NodePorts at addresses at which swiftlet does not")
    func comparesAddresses() throws {
        let node = try node
        try node.stop()
        try node.start(with: node.runArguments().dropFirst().map { $0 == "all" ? "primary" : $0 })
        let words = try refusal(.iptablesNFT) { _ in }
        #expect(words.contains("rules serve NodePorts at 2 more of the node's addresses: 10.244.0.1"), "\(words)")
        try node.stop()
        try node.start()
    }

    @Test("programs are not on a device")
    func findsBareDevice() throws {
        let node = try node
        try node.stop()
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--devices", "none"])
        let words = try refusal(.nft) { _ in }
        #expect(words.contains("no device towards the network has programs"), "\(words)")
        try node.stop()
        try node.start()
    }

    @Test("a hook that is gone")
    func findsMissingHook() throws {
        let node = try node
        try FileManager.default.removeItem(atPath: node.link("connect6"))
        let words = try refusal(.iptablesLegacy) { _ in }
        #expect(words.contains("connect6 is not attached"), "\(words)")
        #expect(words.contains("ClusterIP, IPv6, TCP"), "\(words)")
        try node.stop()
        try node.start()
    }

    @Test("no daemon runs")
    func needsDaemon() throws {
        let node = try node
        try node.stop()
        #expect(try refusal(.iptablesNFT) { _ in }.contains("no daemon runs"))
        try node.start()
    }

    /// With the places of another tool, and with the same places once more.
    @Test(
        "a second takeover that fails midway leaves the first one's saved rules whole",
        arguments: [KubeProxyRules.Tool.nft, .iptablesNFT])
    func keepsFirstArchive(first: KubeProxyRules.Tool) throws {
        let node = try node
        let rules = try KubeProxyRules(first, in: node.lab.node.path)
        defer { try? rules.clear() }
        let original = try rules.everything()
        #expect(try node.swiftlet("takeover").status == .exited(0))
        let name = URL(fileURLWithPath: node.runDirectory).lastPathComponent
        let archive = "/run/swiftlet-takeover/\(name)"
        let saved = try contents(archive)
        #expect(saved.keys.contains("SHA256SUMS") && saved.count == 3)

        // A kube-proxy that runs again, with another or the same tool, and a tool that fails at the second place.
        for family in IPVersion.allCases { try rules.restore(TakenServices.iptables(family), family, .iptablesNFT) }
        let again = try rules.everything()
        let failed = try takeOver(failingAt: "ip6tables-nft-restore")
        #expect(failed.status == .exited(1) && failed.output.contains("out of order"), "\(failed)")
        // Rules that are back keep connections themselves.
        let own = { (lines: [String]) in lines.filter { !$0.contains("SWIFTLET-TAKEOVER") } }
        let changes = own(try rules.everything()).difference(from: own(again)).map { "\($0)" }
        #expect(changes == [], "\(changes)")
        #expect(try contents(archive) == saved)

        if first == .iptablesNFT { #expect(try node.swiftlet("takeover").status == .exited(0)) }
        let back = try node.swiftlet("takeover", "--rollback")
        #expect(back.status == .exited(0) && back.output.contains("put back the rules in"), "\(back)")
        #expect(try Set(original).subtracting(rules.everything()) == [])
    }

    /// The files of a directory.
    private func contents(_ directory: String) throws -> [String: String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        return Dictionary(
            uniqueKeysWithValues: try names.map {
                ($0, try String(contentsOfFile: "\(directory)/\($0)", encoding: .utf8))
            })
    }

    /// Runs it with a tool that takes every script that it is to check, and fails at the first that it is to apply.
    private func takeOver(failingAt tool: String) throws -> Outcome {
        let node = try node
        let tools = "\(node.directory)/tools"
        try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: tools) }
        let script = """
            #!/bin/sh
            case "$*" in *--test*) exec /usr/sbin/\(tool) "$@" ;; esac
            mkdir \(tools)/failed 2>/dev/null || exec /usr/sbin/\(tool) "$@"
            echo "out of order" >&2
            exit 1
            """
        try script.write(toFile: "\(tools)/\(tool)", atomically: true, encoding: .utf8)
        #expect(chmod("\(tools)/\(tool)", 0o700) == 0)
        return try Programs.run(
            [
                "env", "PATH=\(tools):/usr/sbin:/usr/bin:/sbin:/bin", Programs.swiftlet, "takeover", "--bpf-root",
                node.bpfRoot,
            ],
            in: node.lab.node.path)
    }

    @Test("saved rules that are damaged are not put back; finished, there is nothing to put back")
    func checksArchive() throws {
        let node = try node
        let rules = try KubeProxyRules(.iptablesNFT, in: node.lab.node.path)
        defer { try? rules.clear() }
        let taken = try node.swiftlet("takeover")
        #expect(taken.status == .exited(0), "\(taken)")
        let name = URL(fileURLWithPath: node.runDirectory).lastPathComponent
        let file = "/run/swiftlet-takeover/\(name)/iptables-nft-ip6.rules"
        let saved = try String(contentsOfFile: file, encoding: .utf8)
        try (saved + "#").write(toFile: file, atomically: true, encoding: .utf8)
        let damaged = try node.swiftlet("takeover", "--rollback")
        #expect(damaged.status == .exited(1) && damaged.output.contains("its checksum is another"), "\(damaged)")
        #expect(try rules.ownCount() == 0)
        try saved.write(toFile: file, atomically: true, encoding: .utf8)
        // Where kube-proxy has written rules meanwhile, what was saved stays.
        for family in IPVersion.allCases { try rules.restore(TakenServices.iptables(family), family, .iptablesNFT) }
        let unneeded = try node.swiftlet("takeover", "--rollback")
        #expect(unneeded.status == .exited(0) && unneeded.output.contains("stay saved in \(file)"), "\(unneeded)")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == saved)
        try rules.clear()
        #expect(try node.swiftlet("takeover", "--finish").status == .exited(0))
        #expect(try rules.everything().allSatisfy { !$0.contains("SWIFTLET") })
        #expect(try node.swiftlet("takeover", "--rollback").status == .exited(1))
        #expect(try node.swiftlet("takeover").output.contains("nothing to take over"))
    }
}
