import ArgumentParser
import DatapathInstall
import FoundationEssentials
import Glibc
import NetworkLab
import Reporting
import Settings
import SwiftletDaemon
import SystemPackage

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show connects and refusals a second by Service, as they change.",
        discussion: """
            Reads the counters only. On a terminal a key sorts: c connects, r refused, o open, i imbalance, n name; b shows
            backends, q ends. OPEN are connected sockets, and flows of packets. IMBALANCE is the busiest backend ÷ the mean:
            of connects where the daemon counts them by backend (--metrics-per-backend), of open connections otherwise.

            Examples:
              swiftlet top
              swiftlet top --backends --sort open
              swiftlet top --once -o json
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Flag(help: "A line for each backend, too.")
    var backends = false

    @Flag(help: "Count for one interval, print it, and end.")
    var once = false

    @Option(help: ArgumentHelp("How long to count each time.", valueName: "seconds"))
    var interval = 1.0

    @Option(help: "What comes first.")
    var sort: TopView.Order = .connects

    @Option(name: .shortAndLong, help: "How to print: a table, or a JSON document each interval.")
    var output: Format = .table

    @OptionGroup var pins: PinOptions

    func validate() throws {
        guard (0.1...3_600).contains(interval) else {
            throw ValidationError("write --interval with seconds from 0.1 to 3600")
        }
    }

    func run() throws {
        try pins.requireDatapath()
        // A daemon may have set other time-outs of flows.
        let timeouts = ControlClient.ask(.status, at: pins.runDirectory)
            .flatMap { try? ReportCoding.decoder().decode(DaemonReport.self, from: $0) }?.flowTimeouts
        let caught = Interruption.catchSignals()
        var top = try Top(pins: pins.pins, timeouts: timeouts ?? FlowTimeouts())
        var view = TopView(order: sort, showsBackends: backends)
        if output == .table, !once, let terminal = KeyTerminal() {
            try follow(&top, &view, on: terminal)
        } else {
            try print(&top, view)
        }
        _ = consume caught
    }

    private func follow(_ top: inout Top, _ view: inout TopView, on terminal: borrowing KeyTerminal) throws {
        var report: TopReport?
        var next = ContinuousClock.now + .milliseconds(300)
        terminal.show("counting …")
        while !Interruption.isRequested {
            if let key = terminal.key(within: max(.zero, next - ContinuousClock.now)), !view.press(key) { return }
            if ContinuousClock.now >= next {
                report = try top.look()
                next = ContinuousClock.now + .seconds(interval)
            }
            guard let report else { continue }
            let size = terminal.size
            terminal.show("\(view.heading(of: report, size: size))\n\n\(view.text(of: report, size: size))")
        }
    }

    private func print(_ top: inout Top, _ view: TopView) throws {
        repeat {
            let end = ContinuousClock.now + .seconds(interval)
            while !Interruption.isRequested, ContinuousClock.now < end {
                usleep(useconds_t(min(100_000, max(1, (end - ContinuousClock.now) / .microseconds(1)))))
            }
            if Interruption.isRequested, !once { return }
            let report = try view.sorted(top.look())
            let text =
                output == .json
                ? String(decoding: try ReportCoding.encoder(pretty: once).encode(report), as: UTF8.self)
                : view.text(of: report) + (once ? "" : "\n")
            guard (try? FileDescriptor.standardOutput.writeAll("\(text)\n".utf8)) != nil else { return }
        } while !once
    }
}

extension TopView.Order: ExpressibleByArgument {}
