import ArgumentParser
import DatapathInstall
import FoundationEssentials
import Glibc
import NetworkLab
import Reporting
import Settings
import SwiftletDaemon

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say whether the datapath is attached and effective, and what needs attention.",
        discussion: """
            A known VIP is asked through the real hooks, by the daemon, or by a child process in a cgroup of its own; no
            packet is sent, and nothing is counted.
            Exit code 0: all is well; 3: degraded, the reasons are listed; 1: nothing is loaded.

            Examples:
              swiftlet status
              swiftlet status --brief
              swiftlet status --wait 30s
              swiftlet status --watch
              swiftlet status -o json
            """)

    @OptionGroup var pins: PinOptions
    @OptionGroup var format: OutputOptions

    @Flag(help: "Print one line: ok, or degraded and how many reasons there are.")
    var brief = false

    @Option(
        help: ArgumentHelp("Wait so long for all to be well: 30s, 2m; a number alone is seconds.", valueName: "span"),
        transform: Self.span)
    var wait: Duration = .zero

    @Flag(
        name: .shortAndLong,
        help: "Look again every two seconds, until interrupted; where it is no terminal, say what has changed.")
    var watch = false

    private static func span(_ text: String) throws -> Duration {
        let span = try Int(text).map { Duration.seconds($0) } ?? Duration(goSetting: text)
        guard (.zero ... .seconds(86_400)).contains(span) else {
            throw ValidationError("write --wait with a span from 0 to 24h, like 30s")
        }
        return span
    }

    func validate() throws {
        if format.output == .name { throw ValidationError("status has no names; write -o table, wide, json or yaml") }
        if watch, wait > .zero { throw ValidationError("write --wait or --watch, not both") }
    }

    func run() throws {
        if watch { return try follow() }
        guard let report = try patientReport() else { return try pins.requireDatapath() }
        try show(report)
        if !report.degraded.isEmpty { throw ExitCode.degraded }
    }

    private func show(_ report: StatusReport) throws {
        if format.output.isData { return try format.printData(report) }
        if brief {
            print(report.degraded.isEmpty ? "ok" : "degraded: \(report.degraded.count)")
        } else if let daemon = report.daemon, !daemon.kubeProxyReplacement {
            printObserver(daemon)
        } else {
            printText(report, wide: format.output == .wide)
        }
    }

    /// The report once all is well, or when the wait is over; nil when nothing is loaded by then.
    private func patientReport() throws -> StatusReport? {
        let end = ContinuousClock.now + wait
        while true {
            let report = try StatusReport.collect(pins: pins.pins, daemon: .ask(pins.pins))
            if report?.degraded.isEmpty == true || ContinuousClock.now >= end { return report }
            usleep(1_000_000)
        }
    }

    /// On a terminal the screen is drawn anew each time. Elsewhere a report is printed when the verdict is another one.
    private func follow() throws {
        let caught = Interruption.catchSignals()
        let isScreen = Terminal.width != nil && !format.output.isData && !brief
        var last: [String]?
        while !Interruption.isRequested && Terminal.hasReader {
            let report = try StatusReport.collect(pins: pins.pins, daemon: .ask(pins.pins))
            let verdict = report.map { $0.degraded + ($0.daemon?.risks ?? []) } ?? ["nothing is loaded"]
            if isScreen || verdict != last {
                if isScreen { Terminal.clear() }
                if !isScreen && !format.output.isData { print(Date().formatted(.iso8601), terminator: "  ") }
                if let report { try show(report) } else { print("nothing is loaded below \(pins.bpfRoot)") }
                Terminal.flush()
            }
            last = verdict
            usleep(2_000_000)
        }
        _ = consume caught
    }

    private func printObserver(_ daemon: DaemonReport) {
        print("observing only: process \(daemon.pid) on node \(daemon.nodeName) programs nothing")
        print("  source:          \(daemon.sources.joined(separator: ", "))")
        print(
            "  would program:   \(daemon.desired.servicePorts) service ports, \(daemon.desired.frontends) frontends, "
                + "\(daemon.desired.backends) backends")
        for problem in daemon.problems { print("  problem:         \(problem)") }
        print("run with --kube-proxy-replacement=true to serve")
    }

    private func printText(_ report: StatusReport, wide: Bool) {
        printVerdict(report)
        printSummary(report)
        printHooks(report)
        printDevices(report, all: wide)
        printDraining(report)
        printFeatures(report, all: wide)
        printMaps(report, all: wide)
        printCounters(report)
        if !report.pins.isEmpty { print("\nin \(report.bpfRoot), and should not be:") }
        for finding in report.pins { print("  - \(finding)") }
    }

    /// What a person must know, before what there is.
    private func printVerdict(_ report: StatusReport) {
        if report.degraded.isEmpty {
            print(Terminal.styled("all is well", .good))
        } else {
            print(Terminal.styled("degraded:", .bad))
            for complaint in report.degraded { print("  - \(complaint)") }
            print("what to do: docs/troubleshoot.md#what-status-complains-of")
        }
        for risk in report.daemon?.risks ?? [] { print("\(Terminal.styled("risk:", .warning)) \(risk)") }
        if let count = report.daemon?.withoutBackends, count > 0 {
            let found = report.daemon?.firstWithoutBackends ?? []
            let all = found.count < count ? " lists them all" : ""
            print(
                "\(count) service \(count == 1 ? "port has" : "ports have") no backend: `swiftlet services --broken`\(all)"
            )
            for port in found { print("  - \(port.text)") }
        }
        print("")
    }

    private func printSummary(_ report: StatusReport) {
        print("swiftlet \(Version.swiftlet), kernel \(report.kernel)")
        print("  maps and links:  \(report.bpfRoot)/v\(Version.mapABI)")
        print("  cgroup:          \(report.cgroupRoot)")
        let effective =
            switch report.probe {
            case .effective: Terminal.styled("OK, a connect to a VIP was translated", .good)
            case .ineffective: Terminal.styled("FAILED, a connect to a VIP passed untouched", .bad)
            case .nothingToAsk: "not probed: there is no ClusterIP to ask"
            case .leftToPackets: "not probed: connects of TCP are left to packets (--socket-lb)"
            case .notPermitted: "not probed: no right to make a cgroup below \(report.cgroupRoot); run it as root"
            case .failed: Terminal.styled("could not run", .warning)
            }
        print("  probe:           \(effective)")
        if let kubeProxy = report.kubeProxy { print("  kube-proxy:      \(kubeProxy)") }
        guard let daemon = report.daemon else {
            print("  daemon:          \(Terminal.styled("not running", .warning))")
            return
        }
        print(
            "  daemon:          process \(daemon.pid), node \(daemon.nodeName), \(bytesText(daemon.residentBytes)) resident"
        )
        print("  rights:          user \(daemon.rights.user), \(daemon.rights.capabilities.joined(separator: " "))")
        if !daemon.rights.reserved.isEmpty {
            let reserved = daemon.rights.reserved.joined(separator: " ")
            print("  reserved:        \(reserved), to enter the namespaces of pods")
        }
        for lack in daemon.rights.lacking { print("  lacking:         \(lack)") }
        print("  started:         \(daemon.startedAt.formatted(.iso8601))")
        print("  source:          \(daemon.sources.joined(separator: ", "))")
        let watches = daemon.watches.filter { $0.url != nil }.map { "\($0.resource) (\($0.objects))" }
        if !daemon.watches.isEmpty {
            print("  following:       \(watches.isEmpty ? "nothing now" : watches.joined(separator: ", "))")
        }
        print("  last event:      \(daemon.lastEventAt?.formatted(.iso8601) ?? "none")")
        print("  NodePorts on:    \(daemon.nodePortAddresses.joined(separator: ", "))")
        if let packets = daemon.packets { print("  packets:         \(packets.text)") }
        if let names = daemon.names { print("  names:           \(names.text)") }
        if let left = daemon.leftCgroups { print("  left to packets: \(left.text)") }
        if let sockets = daemon.sockets { print("  stale sockets:   \(sockets.text)") }
        let (desired, programmed) = (daemon.desired, daemon.programmed)
        print(
            "  desired:         \(desired.servicePorts) service ports, \(desired.frontends) frontends, "
                + "\(desired.backends) backends")
        print(
            "  programmed:      \(programmed.servicePorts) service ports, \(programmed.frontends) frontends, "
                + "\(programmed.backends) backends")
    }

    private func printHooks(_ report: StatusReport) {
        var table = Table("HOOK", "ATTACHED", "PROGRAM", "PROG ID", "LINK ID", "OTHERS ON THE HOOK")
        for hook in report.hooks {
            table.add(
                hook.name, hook.isAttached ? "yes" : "no", hook.program ?? "-", hook.programID.map { "\($0)" } ?? "-",
                hook.linkID.map { "\($0)" } ?? "-", hook.foreign.isEmpty ? "-" : hook.foreign.joined(separator: ", "))
        }
        print("\n\(table.text)")
    }

    private func printDevices(_ report: StatusReport, all: Bool) {
        let listed = (report.daemon?.devices ?? []).filter { all || $0.role != nil }
        guard !listed.isEmpty else { return }
        var table = Table("DEVICE", "LEADS TO", "BY", "BECAUSE", "OTHERS ON IT")
        for device in listed {
            table.add(
                device.name, device.role ?? "-", device.kind ?? "-", device.reason,
                device.foreign.isEmpty ? "-" : device.foreign.joined(separator: ", "))
        }
        print("\n\(table.text)")
    }

    private func printDraining(_ report: StatusReport) {
        guard !report.draining.isEmpty else { return }
        var table = Table("DRAINING BACKEND", "PROTOCOL", "SERVICE PORT", "SOCKETS", "FLOWS")
        for backend in report.draining {
            let service = "\(backend.namespace)/\(backend.service)" + (backend.port.isEmpty ? "" : ":\(backend.port)")
            table.add(backend.backend, backend.protocol, service, "\(backend.sockets)", "\(backend.flows)")
        }
        print("\n\(table.text)")
    }

    private func printFeatures(_ report: StatusReport, all: Bool) {
        let listed = report.features.filter { all || !$0.isPresent }
        guard !listed.isEmpty else {
            print("\nkernel features: all \(report.features.count) that swiftlet uses are present")
            return
        }
        var table = Table("KERNEL FEATURE", "SINCE", "PRESENT", "COST OF ITS ABSENCE")
        for feature in listed {
            table.add(feature.name, feature.since, feature.isPresent ? "yes" : "no", feature.cost ?? "-")
        }
        print("\n\(table.text)")
    }

    private func printMaps(_ report: StatusReport, all: Bool) {
        var table = Table("MAP", "ENTRIES", "CAPACITY", "MEMORY")
        for map in report.maps where all || map.entries > 0 && map.entries < map.capacity {
            table.add(map.name, "\(map.entries)", "\(map.capacity)", bytesText(map.memory))
        }
        let total = report.maps.reduce(0) { $0 + $1.memory }
        print("\n\(table.text)\nall maps: \(bytesText(total)) of kernel memory")
    }

    private func printCounters(_ report: StatusReport) {
        var table = Table("VERDICT", "COUNTED")
        for (name, value) in report.counters.sorted(by: { $0.key < $1.key }) where value > 0 {
            table.add(name, "\(value)")
        }
        print("\n\(table.text)")
    }
}

extension DaemonReport.Empty {
    /// `default/web:http: no EndpointSlice of the Service has come`.
    fileprivate var text: String { "\(namespace)/\(name)\(port.isEmpty ? "" : ":\(port)"): \(reason)" }
}

extension DaemonReport.Names {
    fileprivate var text: String {
        let places = serviceIPs.isEmpty ? addresses : serviceIPs + ["by \(addresses.joined(separator: ", "))"]
        let others =
            upstream.isEmpty ? "no other names" : "other names from \(upstream.joined(separator: ", "))"
        return
            "\(services) Service\(services == 1 ? "" : "s") below \(domain) at \(places.joined(separator: ", ")), while this process runs; \(others)"
    }
}

extension DaemonReport.Packets {
    fileprivate var text: String {
        let way = forwarding == "redirect" ? "sent on at once" : "forwarded by the kernel"
        let ports = "with the node's address from ports \(masqueradePorts.joined(separator: ","))"
        let closed = closedRanges.isEmpty ? [] : ["never to \(closedRanges.joined(separator: ", ")) (IPsec)"]
        return ([way, ports] + closed).joined(separator: "; ")
    }
}
