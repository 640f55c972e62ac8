import ArgumentParser
import BPFLoader
import DatapathInstall
import FoundationEssentials
import Glibc
import NetworkLab
import Reporting
import ServiceMaps
import ServiceModel
import SwiftletDaemon
import SystemPackage

struct MonitorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitor",
        abstract: "Show connects, flows and refusals as they happen.",
        discussion: """
            One line for each call of a process that has to do with a Service: sockets' connects and sends, and refused binds.
            One for each flow that is translated packet by packet at a device, such as of a client outside, when it begins,
            and for each packet that is refused there. The programs in the kernel tell of them only while this command runs,
            and there can be one at a time. Times are UTC. Ends with Ctrl-C.

            Examples:
              swiftlet monitor
              swiftlet monitor --refused
              swiftlet monitor --service kube-system/kube-dns -o json
              swiftlet monitor --pid 4711
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @Option(
        help: ArgumentHelp("Only this Service: NAME in default, or NAMESPACE/NAME.", valueName: "name"),
        completion: .services)
    var service: String?

    @Flag(help: "Only what was refused or dropped.")
    var refused = false

    @Option(help: ArgumentHelp("Only calls of this process.", valueName: "pid"))
    var pid: Int32?

    @Option(
        help: ArgumentHelp(
            "Only this pod's calls, packets and flows: NAME in default, or NAMESPACE/NAME.", valueName: "pod"))
    var pod: String?

    @Option(
        help: ArgumentHelp("Where kubelet keeps pods' logs (podLogsDir), which tells their names.", valueName: "dir"),
        completion: .directory)
    var podLogsDir = "/var/log/pods"

    @Option(help: ArgumentHelp("At most so many lines a second; 0 for all. Others are counted.", valueName: "n"))
    var rate = 1_000

    @Option(name: .shortAndLong, help: "How to print: lines of text, or a JSON document a line.")
    var output: Format = .text

    @OptionGroup var pins: PinOptions

    func validate() throws {
        if rate < 0 { throw ValidationError("--rate is a number of lines a second, or 0 for all of them") }
    }

    func run() throws {
        try pins.requireDatapath()
        var filter = EventFilter()
        filter.service = try service.map { try objectName($0, "--service") }
        filter.pod = try pod.map { try objectName($0, "--pod") }
        filter.refusedOnly = refused
        filter.pid = pid
        if let pid { try ProcessEntry.mustRun(pid) }
        let caught = Interruption.catchSignals()
        var monitor = try Monitor(pins: pins.pins, filter: filter, podLogs: podLogsDir)
        Terminal.write(error: "listening; Ctrl-C ends")
        try noteMissing(filter.service)
        var printer = EventPrinter(format: output, rate: rate)
        while !Interruption.isRequested && Terminal.hasReader {
            let (records, lost) = try monitor.take()
            guard Self.write(try printer.lines(of: records, lost: lost, at: KernelClock.now)) else { return }
            usleep(20_000)
        }
        _ = Self.write(printer.rest())
        _ = consume caught
    }

    /// A Service that is not there may come; a name that is mistyped does not.
    private func noteMissing(_ service: ObjectName?) throws {
        guard let service else { return }
        let known = try ServicePortNames.read(from: BPFMapStore(pins: pins.pins)).values.map(\.service)
        if let missing = Array(known).missing(service.name, in: service.namespace) { Terminal.write(error: missing) }
    }

    /// - Returns: false when standard output has no reader any more.
    private static func write(_ lines: [String]) -> Bool {
        guard !lines.isEmpty else { return true }
        return (try? FileDescriptor.standardOutput.writeAll((lines.joined(separator: "\n") + "\n").utf8)) != nil
    }
}

/// NAME of the namespace default, or NAMESPACE/NAME.
func objectName(_ text: String, _ option: String) throws -> ObjectName {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard (1...2).contains(parts.count), !parts.contains("") else {
        throw ValidationError("\(option) takes NAME or NAMESPACE/NAME, not \(text)")
    }
    return ObjectName(namespace: parts.count == 2 ? parts[0] : "default", name: parts[parts.count - 1])
}
