import CDatapath
import Foundation
import NetworkLab
import Synchronization

/// A node of our own: network namespaces with echo pods, a cgroup, a bpffs directory and a directory of manifests, and
/// `swiftlet run` on them. Nothing of it outlives the value; `Traces` checks that.
///
/// A class because the tests of a suite share it.
final class TestNode: Sendable {
    struct Options: Sendable {
        var pods = 0
        /// Further flags of `swiftlet run`.
        var flags: [String] = []
        /// False: the first test starts the daemon itself.
        var starts = true
        /// With what rights the daemon runs.
        var rights = DaemonRights.wanted
    }

    let lab: Lab
    let cgroup: Cgroup
    /// Unique on the machine; the kernel's and our directories carry it.
    let name: String
    let directory: String
    let pods: [RunningProcess]
    private let flags: [String]
    let rights: DaemonRights
    private let daemon = Mutex<RunningProcess?>(nil)

    var manifests: String { "\(directory)/manifests" }
    var log: String { "\(directory)/log" }
    var stateDirectory: String { "\(directory)/state" }
    var bpfRoot: String { "/sys/fs/bpf/\(name)" }
    /// The daemon's lock and control socket.
    var runDirectory: String { "/run/swiftlet/sys-fs-bpf-\(name)" }

    init(_ options: Options = Options(), manifests files: [String: String] = [:]) throws {
        lab = try Lab(pods: options.pods)
        cgroup = try Cgroup("e2e")
        name = URL(fileURLWithPath: cgroup.path).lastPathComponent
        directory = NSTemporaryDirectory() + name
        flags = options.flags
        rights = options.rights
        pods = try lab.pods.map { [cgroup = cgroup.path] pod in
            let arguments = ["serve", "--name", pod.name, "--tcp", "8080", "--udp", "8080"]
            return try RunningProcess([Programs.lab] + arguments, in: pod.namespace.path, cgroup: cgroup)
        }
        try FileManager.default.createDirectory(atPath: manifests, withIntermediateDirectories: true)
        try write(Manifest.node, to: "node.yaml")
        for (file, text) in files { try write(text, to: file) }
        for pod in pods { _ = try pod.readLine() }
        if options.starts { try start() }
    }

    deinit {
        _ = try? stop()
        _ = try? Programs.run([Programs.swiftlet, "cleanup", "--bpf-root", bpfRoot])
        for pod in pods { _ = try? pod.terminate() }
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: Manifests

    /// Puts a manifest in its place by renaming, so that nobody reads half of it.
    func write(_ text: String, to file: String) throws {
        let draft = "\(directory)/draft-\(UUID().uuidString)"
        try text.write(toFile: draft, atomically: false, encoding: .utf8)
        guard rename(draft, "\(manifests)/\(file)") == 0 else {
            throw TestFailure("cannot rename \(draft): \(ErrnoName.name(of: errno))")
        }
    }

    func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: "\(manifests)/\(file)") }

    // MARK: The daemon

    var pid: pid_t? { daemon.withLock { $0?.pid } }

    /// The command line of `swiftlet run` on this node.
    ///
    /// - Parameter source: where the Services come from; nil for the node's manifests.
    func runArguments(from source: [String]? = nil) -> [String] {
        [
            Programs.swiftlet, "run", "--kube-proxy-replacement=true", "--cgroup-root", cgroup.path, "--bpf-root",
            bpfRoot, "--node-name", Manifest.nodeName, "--state-dir", stateDirectory, "--max-services", "1024",
            "--max-backends", "4096", "--max-slots", "8192", "--max-flows", "8192",
        ] + (source ?? ["--manifests", manifests]) + flags
    }

    /// Starts the daemon and waits until it says that it is ready.
    func start() throws { try start(with: Array(runArguments().dropFirst())) }

    /// The same with a command line of its own.
    func start(_ program: String = Programs.swiftlet, with arguments: [String]) throws {
        let process = try launch(program, arguments)
        let isReady = try eventually(within: 30_000) { logText.contains("ready") || !process.isRunning }
        guard isReady, process.isRunning else { throw TestFailure("the daemon did not start: \(logText)") }
    }

    /// Starts it and waits for nothing.
    @discardableResult
    func launch(_ program: String = Programs.swiftlet, _ arguments: [String]? = nil) throws -> RunningProcess {
        try rights.prepare(self)
        let command = [program] + (arguments ?? Array(runArguments().dropFirst()))
        return try launch(command: rights.running(command, on: self))
    }

    /// The same by a command of its own, which must become the daemon.
    @discardableResult
    func launch(command: [String]) throws -> RunningProcess {
        try? FileManager.default.removeItem(atPath: log)
        // The pid stays the daemon's: each of the wrappers replaces itself.
        let redirected = ["sh", "-c", #"exec "$@" 2>"$0""#, log]
        let process = try RunningProcess(redirected + command, in: lab.node.path, output: .null)
        daemon.withLock { $0 = process }
        return process
    }

    @discardableResult
    func stop(with signal: CInt = SIGTERM) throws -> ChildProcess.Status? {
        try daemon.withLock { process in
            defer { process = nil }
            process?.signal(signal)
            return try process?.wait(within: 10_000)
        }
    }

    /// Waits until it ends by itself.
    func waitForEnd(within milliseconds: Int) throws -> ChildProcess.Status? {
        try daemon.withLock { process in
            defer { process = nil }
            return try process?.wait(within: milliseconds)
        }
    }

    /// kill -9.
    func kill() throws {
        try daemon.withLock { process in
            process?.signal(SIGKILL)
            _ = try process?.wait()
            process = nil
        }
    }

    var logText: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    // MARK: Looking at it

    /// A command of swiftlet on this node's bpf root, with what it says to people.
    func swiftlet(_ arguments: String...) throws -> Outcome {
        try Programs.run([Programs.swiftlet] + arguments + ["--bpf-root", bpfRoot], in: lab.node.path)
    }

    /// The same with the rights of the daemon.
    func swiftletInDaemonRights(_ arguments: String...) throws -> Outcome {
        let command = [Programs.swiftlet] + arguments + ["--bpf-root", bpfRoot]
        return try Programs.run(rights.running(command, on: self), in: lab.node.path)
    }

    func status() throws -> StatusReport {
        try Programs.decode(
            from: [Programs.swiftlet, "status", "-o", "json", "--bpf-root", bpfRoot], in: lab.node.path)
    }

    func services() throws -> ServicesReport {
        try Programs.decode(from: [Programs.swiftlet, "services", "-o", "json", "--bpf-root", bpfRoot])
    }

    /// The pins of this build's version of the maps.
    var version: String { "v\(LB_MAP_VERSION)" }
    func map(_ name: String) -> String { "\(bpfRoot)/\(version)/maps/\(name)" }
    func link(_ hook: String) -> String { "\(bpfRoot)/\(version)/links/\(hook)" }
}

// MARK: - Clients

extension TestNode {
    /// Where a client runs: in the cgroup that is served, and in a network namespace.
    enum Place: Sendable, Hashable, CustomStringConvertible {
        case node
        case pod(Int)
        /// A host beyond the node, whose sockets nobody translates.
        case outside

        var description: String {
            switch self {
            case .node: "node"
            case .pod(let number): "pod-\(number)"
            case .outside: "outside"
            }
        }
    }

    func namespace(of place: Place) -> String {
        switch place {
        case .node: lab.node.path
        case .pod(let number): lab.pods[number - 1].namespace.path
        case .outside: lab.outside.path
        }
    }

    private func cgroup(of place: Place) -> String? { place == .outside ? nil : cgroup.path }

    /// `swiftlet-lab call`.
    func call(_ target: String, _ options: String..., from place: Place = .node) throws -> CallReport {
        try call(target, options: options, from: place)
    }

    func call(_ target: String, options: [String], from place: Place) throws -> CallReport {
        try Programs.decode(
            from: [Programs.lab, "call", target] + options, in: namespace(of: place), cgroup: cgroup(of: place))
    }

    /// `swiftlet-lab load` to its end.
    func load(_ target: String, _ options: String..., from place: Place = .node) throws -> LoadReport {
        let process = try startLoad(target, options, from: place)
        return try finish(load: process)
    }

    /// `swiftlet-lab load`, beside the test.
    func startLoad(_ target: String, _ options: [String], from place: Place = .node) throws -> RunningProcess {
        let process = try start([Programs.lab, "load", target] + options, at: place)
        _ = try process.readLine()
        return process
    }

    /// Waits for the report of a load, or asks for it now.
    func finish(load: RunningProcess, now: Bool = false) throws -> LoadReport {
        if now { load.signal(SIGTERM) }
        let line = try load.readLine(within: 60_000)
        _ = try load.wait()
        return try JSONDecoder().decode(LoadReport.self, from: Data(line.utf8))
    }

    /// `swiftlet-lab bind`: ok, or the error's name.
    func bind(_ port: Int, _ options: String..., at place: Place = .node) throws -> String {
        let report: BindReport = try Programs.decode(
            from: [Programs.lab, "bind", "\(port)"] + options, in: namespace(of: place), cgroup: cgroup(of: place))
        return report.result
    }

    /// A process of the lab in a place.
    func start(
        _ arguments: [String], at place: Place, input: ChildProcess.Stream = .null
    ) throws -> RunningProcess {
        try RunningProcess(arguments, in: namespace(of: place), cgroup: cgroup(of: place), input: input)
    }

    /// Flows that stay open and are used on command.
    func hold(_ target: String, _ options: String..., from place: Place = .node) throws -> HeldFlows {
        try hold(target, options: options, from: place)
    }

    func hold(_ target: String, options: [String], from place: Place) throws -> HeldFlows {
        try HeldFlows(start([Programs.lab, "hold", target] + options, at: place, input: .pipe))
    }
}

/// `swiftlet-lab hold`.
struct HeldFlows {
    private let process: RunningProcess

    var pid: pid_t { process.pid }

    init(_ process: RunningProcess) throws {
        self.process = process
        _ = try process.readLine()
    }

    /// One exchange on every flow: who answered.
    func send() throws -> [CallReport.Attempt] {
        try process.write("send\n")
        let line = try process.readLine()
        return try JSONDecoder().decode(HoldReport.self, from: Data(line.utf8)).flows
    }
}

/// Asks again and again; whether the answer was yes before the time was over. A busy machine takes its time: where that is part of
/// the promise, the test says so.
func eventually(within milliseconds: Int = 30_000, _ condition: () throws -> Bool) throws -> Bool {
    let deadline = MonotonicClock.now + UInt64(milliseconds) * 1_000_000
    while true {
        if try condition() { return true }
        if MonotonicClock.now > deadline { return false }
        usleep(5_000)
    }
}
