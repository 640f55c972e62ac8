import FoundationEssentials
import Glibc
import NetworkLab

/// `swiftlet run` with a cgroup, maps and a state directory of its own, which go with `end()`.
struct MeasuredDaemon: ~Copyable {
    static let nodeName = "bench-node"
    let bpfRoot: String
    private let program: String
    private let cgroup: Cgroup
    private let stateDirectory: String
    private var process: ChildProcess
    private let started: ContinuousClock.Instant

    /// Megabytes, of 10⁶ bytes.
    struct Memory {
        var resident = 0.0
        var anonymous = 0.0
        var peak = 0.0
    }

    /// - Parameter maxServices: the room in maps that do not grow; nil: the default, and they do.
    init(program: String, url: String, maxServices: Int?) throws {
        let cgroup = try Cgroup("start")
        let name = cgroup.path.split(separator: "/").last.map(String.init) ?? ""
        let (bpfRoot, stateDirectory) = ("/sys/fs/bpf/\(name)", "/tmp/\(name)")
        let started = ContinuousClock.now
        let sizes = maxServices.map { ["--max-services", "\($0)", "--map-memory-limit", "0"] } ?? []
        let process = try ChildProcess(
            [
                program, "run", "--kube-proxy-replacement=true", "--apiserver", url, "--node-name", Self.nodeName,
                "--cgroup-root", cgroup.path, "--bpf-root", bpfRoot, "--state-dir", stateDirectory,
                "--healthz-bind-address", "none", "--metrics-bind-address", "none",
            ] + sizes, output: .pipe, errors: .merged)
        self.program = program
        self.bpfRoot = bpfRoot
        self.stateDirectory = stateDirectory
        self.started = started
        self.cgroup = cgroup
        self.process = process
    }

    /// Reads the log until the daemon is ready, and takes the phases from it.
    ///
    /// - Parameter firstRequest: when it came to the API server.
    mutating func awaitReady(
        _ report: inout StartReport, firstRequest: () -> ContinuousClock.Instant?
    ) throws {
        while let line = try process.readLine(within: 120_000) {
            let now = ContinuousClock.now
            if line.contains(" programmed the first list") {
                let asked = firstRequest() ?? now
                report.untilAsking = (asked - started) / .milliseconds(1)
                report.compile = Self.field("compile", of: line)
                report.program = Self.field("duration", of: line)
                report.untilProgrammed = (now - asked) / .milliseconds(1)
            } else if line.contains(" ready") {
                report.untilReady = (now - started) / .milliseconds(1)
                report.memoryWhenReady = try memory()
                return
            }
        }
        throw LabError("start", program, cause: "it ended before it was ready", advice: "run it by hand")
    }

    /// Milliseconds of a field of a log line, as `duration=46ms`.
    private static func field(_ name: String, of line: String) -> Double {
        let field = line.split(separator: " ").first { $0.hasPrefix("\(name)=") }
        let text = field?.dropFirst(name.count + 1) ?? ""
        let number = Double(text.prefix { $0.isNumber }) ?? 0
        return text.hasSuffix("ms") ? number : text.hasSuffix("µs") ? number / 1_000 : number * 1_000
    }

    func memory() throws -> Memory {
        var memory = Memory()
        for line in try String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8).split(separator: "\n") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count > 1, let kilobytes = Double(fields[1]) else { continue }
            switch fields[0] {
            case "VmRSS:": memory.resident = kilobytes * 1.024 / 1_000
            case "RssAnon:": memory.anonymous = kilobytes * 1.024 / 1_000
            case "VmHWM:": memory.peak = kilobytes * 1.024 / 1_000
            default: continue
            }
        }
        return memory
    }

    /// The processor's time since its start.
    func cpuMilliseconds() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process.pid)/stat", encoding: .utf8)
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) * 1_000 / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Ends the daemon and removes what it made.
    mutating func end() throws {
        try process.terminate(within: 10_000)
        try Command.run(program, "cleanup", "--bpf-root", bpfRoot)
        try FileManager.default.removeItem(atPath: stateDirectory)
    }
}
