import BPFLoader
import DatapathInstall
import FoundationEssentials
import Glibc
import Reporting
import ServiceMaps
import ServiceModel
import Settings
import SwiftletDaemon
import SystemPackage
import Takeover
import SystemCalls

/// What is in the archive of `swiftlet debuginfo`, each with how it is had.
struct DebugInfoParts {
    struct Part {
        var name: String
        var what: String
        var read: () throws -> String
    }

    let pins: PinOptions

    var all: [Part] { own + maps + node + tools }

    private var own: [Part] {
        [
            Part(name: "version.txt", what: "this program, and the kernel") {
                "swiftlet \(Version.swiftlet), map layout v\(Version.mapABI)\n" + (try Self.text("/proc/version"))
            },
            Part(name: "status.json", what: "swiftlet status -o json") {
                let daemon = DaemonReport.ask(pins.pins)
                guard let report = try StatusReport.collect(pins: pins.pins, daemon: daemon) else {
                    return "nothing is loaded below \(pins.bpfRoot)\n"
                }
                return try Self.json(report)
            },
            Part(name: "services.json", what: "swiftlet services -o json") { try Self.json(try listing()) },
            Part(name: "explained.txt", what: "swiftlet explain of up to 20 Services that are broken") {
                try explained()
            },
            Part(name: "settings.yaml", what: "the settings in force") { try ask(.settings).joined(separator: "\n") },
            Part(name: "log.txt", what: "the last lines of the daemon's log") {
                try ask(.log).joined(separator: "\n") + "\n"
            },
        ]
    }

    private var maps: [Part] {
        [
            Part(name: "maps.json", what: "swiftlet maps -o json") { try Self.json(MapInspection.fill(of: pins.pins)) },
            Part(name: "maps-dump.txt", what: "swiftlet maps dump") { try programmed().dump },
            Part(name: "flows.json", what: "swiftlet flows -o json") { try Self.json(try memory().flows()) },
            Part(name: "sockets.json", what: "swiftlet sockets -o json") {
                try Self.json(try memory().sockets(of: OpenSockets(lookingWith: pins.pins)))
            },
            Part(name: "affinity.json", what: "swiftlet affinity -o json") {
                try Self.json(try memory().affinities(of: OpenSockets()))
            },
            Part(name: "pins.txt", what: "what is pinned") {
                Self.paths(below: pins.bpfRoot).map { $0 + "\n" }.joined()
            },
        ]
    }

    private var node: [Part] {
        let files = [
            ("os-release.txt", "the distribution", "/etc/os-release"),
            ("mounts.txt", "what is mounted", "/proc/self/mountinfo"),
            ("nsswitch.txt", "how names are looked up", "/etc/nsswitch.conf"),
        ]
        let process = [
            ("process/status.txt", "the daemon's process", "status"),
            ("process/limits.txt", "its limits", "limits"), ("process/cgroup.txt", "its cgroup", "cgroup"),
            ("process/command.txt", "its command line", "cmdline"),
        ]
        return files.map { name, what, path in Part(name: "node/\(name)", what: what) { try Self.text(path) } }
            + process.map { name, what, file in
                Part(name: name, what: what) {
                    guard let pid = DaemonReport.ask(pins.pins)?.pid else {
                        throw CommandError(.daemonSilent, "no daemon answers")
                    }
                    return try Self.text("/proc/\(pid)/\(file)").replacing("\0", with: " ") + "\n"
                }
            }
            + [Part(name: "node/sysctls.txt", what: "the kernel's settings that matter") { Self.sysctls }]
    }

    /// Programs that may be there, and what each says.
    private var tools: [Part] {
        let commands: [(String, String)] = [
            ("node/links.txt", "ip -d -s link"), ("node/addresses.txt", "ip address"), ("node/rules.txt", "ip rule"),
            ("node/routes4.txt", "ip -4 route show table all"), ("node/routes6.txt", "ip -6 route show table all"),
            ("node/policies.txt", "ip xfrm policy"), ("node/listeners.txt", "ss -lntu"),
            ("node/bpf-net.txt", "bpftool net"), ("node/bpf-links.txt", "bpftool link"),
            ("node/bpf-programs.txt", "bpftool prog"), ("node/nft.txt", "nft list ruleset"),
            ("node/iptables.txt", "iptables-save"), ("node/ip6tables.txt", "ip6tables-save"),
            ("journal.txt", "journalctl -u swiftlet -n 2000 --no-pager -o short-iso"),
        ]
        return commands.map { name, command in
            Part(name: name, what: command) {
                let words = command.split(separator: " ").map(String.init)
                guard let path = ToolRun.path(of: words[0]) else {
                    throw CommandError(.notFound, "\(words[0]) is not installed")
                }
                let run = try ToolRun(path, words, within: 10)
                return run.output + run.complaint
            }
        }
    }

    // MARK: - How it is had

    private func ask(_ request: ControlRequest) throws -> [String] {
        guard let answer = ControlClient.ask(request, at: pins.runDirectory) else {
            throw CommandError(.daemonSilent, "no daemon answers below \(pins.bpfRoot)")
        }
        return try ReportCoding.decoder().decode([String].self, from: answer)
    }

    private func programmed() throws -> ProgrammedState {
        try pins.requireDatapath()
        return try ProgrammedState.read(from: BPFMapStore(pins: pins.pins))
    }

    private func memory() throws -> MapMemory {
        MapMemory(
            pins: pins.pins, programmed: try programmed(),
            timeouts: DaemonReport.ask(pins.pins)?.flowTimeouts ?? FlowTimeouts())
    }

    private func listing() throws -> ServiceListing {
        let reports = ControlClient.ask(.services, at: pins.runDirectory)
            .flatMap { try? ReportCoding.decoder().decode([ServiceReport].self, from: $0) }
        return ServiceListing(programmed: try programmed(), reports: reports)
    }

    private func explained() throws -> String {
        let broken = try ServiceSelection(broken: true).apply(to: listing()).services.prefix(20)
        return try broken.map { service in
            let question = ExplainQuestion(
                .service(namespace: service.namespace, name: service.name, port: nil))
            let explainer = try ClusterLook.explainer(of: question, pins: pins)
            return "\(service.title)\n\(explainer.explain(question).text)\n\n"
        }.joined()
    }

    private static func json(_ value: some Encodable) throws -> String {
        String(decoding: try ReportCoding.encoder(pretty: true).encode(value), as: UTF8.self) + "\n"
    }

    /// All that is in a directory and below it; nothing where it cannot be read.
    private static func paths(below directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.sorted().map { "\(directory)/\($0)" }.flatMap { [$0] + paths(below: $0) }
    }

    private static func text(_ path: String) throws -> String {
        try SystemFile.text(of: FilePath(path), atMost: Archive.longest)
    }

    private static var sysctls: String {
        let names = [
            "net/ipv4/ip_forward", "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports",
            "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter", "net/ipv4/conf/all/forwarding",
            "net/ipv4/conf/all/accept_local", "net/ipv4/conf/all/route_localnet", "net/ipv6/conf/all/forwarding",
            "net/ipv6/conf/all/disable_ipv6", "net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_count",
            "net/core/bpf_jit_enable", "net/core/bpf_jit_harden", "kernel/unprivileged_bpf_disabled",
            "kernel/bpf_stats_enabled",
        ]
        return names.map { name in
            let value = (try? text("/proc/sys/\(name)"))?.prefix { $0 != "\n" } ?? "not there, or not readable"
            return "\(name.replacing("/", with: ".")) = \(value)\n"
        }.joined()
    }
}
