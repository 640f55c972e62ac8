import DatapathInstall
import FoundationEssentials
import Glibc
import NetworkLab
import Synchronization
import SystemPackage

/// The node of a soak: pods, a cgroup, a directory of manifests, and `swiftlet run`, which is ended and started again.
final class SoakNode {
    private static let nodeName = "soak-node"
    /// What the maps are made for: less than the Services need, so that they grow.
    static let initialRoom = 64
    /// Of a process of the node that is no Service's.
    static let listenerPort: UInt16 = 39_900
    /// This program, also where another one starts it.
    private static let lab =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "swiftlet-lab"

    let lab: Lab
    private let cgroup: Cgroup
    let bpfRoot: String
    private let directory: String
    /// They take turns: one at each start.
    private let programs: [String]
    /// The programs of the other build.
    private let otherObjects: String
    private var pods: [SoakProcess] = []
    private var daemon: ChildProcess?
    private(set) var starts = 0

    private var manifests: String { "\(directory)/manifests" }
    private var log: String { "\(directory)/log" }

    init(programs: [String], objectsOfOtherLayout otherObjects: String) throws {
        self.programs = programs
        self.otherObjects = otherObjects
        lab = try Lab(pods: SoakService.podCount)
        cgroup = try Cgroup("soak")
        let name = cgroup.path.split(separator: "/").last.map(String.init) ?? ""
        bpfRoot = "/sys/fs/bpf/\(name)"
        directory = (ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp") + "/\(name)"
        try FileManager.default.createDirectory(atPath: manifests, withIntermediateDirectories: true)
        let node = """
            apiVersion: v1
            kind: Node
            metadata: {name: \(Self.nodeName)}
            status:
              addresses:
              - {type: InternalIP, address: \(Lab.nodeAddress4)}
              - {type: InternalIP, address: "\(Lab.nodeAddress6)"}
            """
        try write(node, to: "node.yaml")
        for pod in lab.pods {
            let ports = SoakService.all.flatMap { ["--tcp", "\($0.port)", "--udp", "\($0.port)"] }
            let process = try SoakProcess(
                ChildProcess(
                    [Self.lab, "serve", "--name", pod.name, "--name-ports"] + ports, in: pod.namespace.path,
                    output: .pipe))
            _ = try process.readLine()
            pods.append(process)
        }
        let listener = try SoakProcess(
            ChildProcess(
                [Self.lab, "serve", "--name", "node", "--tcp", "\(Self.listenerPort)"], in: lab.node.path,
                output: .pipe))
        _ = try listener.readLine()
        pods.append(listener)
    }

    /// Nothing is left when a soak ends, however it ends.
    deinit {
        daemon = nil
        _ = try? Command.run([programs[0], "cleanup", "--bpf-root", bpfRoot])
        pods = []
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The pods by their addresses.
    var podsByAddress: [[UInt8]: Int] {
        var pods: [[UInt8]: Int] = [:]
        for (number, pod) in zip(1..., lab.pods) {
            for host in [pod.address4, pod.address6] {
                if let address = SocketAddress(host: host, port: 0) { pods[address.address] = number }
            }
        }
        return pods
    }

    // MARK: Manifests

    /// Puts a manifest in its place by renaming, so that the daemon never reads half of it; nil removes it.
    func write(_ text: String?, to file: String) throws {
        guard let text else { return try FileManager.default.removeItem(atPath: "\(manifests)/\(file)") }
        let draft = "\(directory)/draft-\(file)"
        try text.write(toFile: draft, atomically: false, encoding: .utf8)
        guard rename(draft, "\(manifests)/\(file)") == 0 else {
            throw LabError("put", file, cause: ErrnoName.name(of: errno))
        }
    }

    // MARK: The daemon

    /// Two that differ in the version of their map layout.
    enum Build {
        case this
        case other

        var opposite: Build { self == .this ? .other : .this }
    }

    /// Starts the daemon and waits for nothing.
    ///
    /// - Parameter write: it is to die in front of this write to the kernel.
    func start(_ build: Build, _ flags: [String], dyingAtWrite write: Int? = nil) throws {
        let watched = write.map { [Self.lab, "kill-at-write", "\($0)", "--"] } ?? []
        let room = ["--max-services", "--max-backends", "--max-slots"].flatMap { [$0, "\(Self.initialRoom)"] }
        let place = [
            "--manifests", manifests, "--node-name", Self.nodeName, "--cgroup-root", cgroup.path, "--bpf-root", bpfRoot,
        ]
        let run = program(of: build) + place + room
        starts += 1
        try? FileManager.default.removeItem(atPath: log)
        // The pid stays the daemon's: each of the wrappers replaces itself.
        daemon = try ChildProcess(
            ["sh", "-c", #"exec "$@" 2>"$0""#, log] + watched + run + flags, in: lab.node.path, output: .null)
    }

    private func program(of build: Build) -> [String] {
        switch build {
        case .this:
            [
                programs[starts % programs.count], "run", "--kube-proxy-replacement=true", "--state-dir", "",
                "--healthz-bind-address", "none", "--metrics-bind-address", "none",
            ]
        case .other: [Self.lab, "other-build", "--objects", otherObjects]
        }
    }

    /// Whether the daemon, which runs, has programmed everything that there was when it started.
    var isReady: Bool { logText.contains(" ready") }

    var isRunning: Bool { daemon?.isRunning() ?? false }

    var logText: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// How the daemon ended.
    @discardableResult
    func end(with signal: CInt) throws -> ChildProcess.Status? {
        daemon?.signal(signal)
        defer { daemon = nil }
        // It is the machine that is slow then.
        return try daemon?.wait(within: 60_000)
    }

    func status() throws -> String {
        let report = [programs[0], "status", "--bpf-root", bpfRoot, "-o", "json"]
        var process = try ChildProcess(report, in: lab.node.path, output: .pipe)
        defer { _ = try? process.wait() }
        return try process.readToEnd()
    }

    /// The versions of the map layout that are pinned.
    var pinnedVersions: [Int] {
        get throws { try DatapathPins.versions(at: FilePath(bpfRoot)).map(\.number) }
    }

    // MARK: Clients

    /// Starts `soak-client` or `soak-bystanders`.
    func start(_ command: String, _ arguments: [String], at place: SoakJudge.Place) throws -> SoakProcess {
        try SoakProcess(
            ChildProcess(
                [Self.lab, command] + arguments, in: place == .node ? lab.node.path : lab.outside.path,
                cgroup: place == .node ? cgroup.path : nil, output: .pipe))
    }
}

/// A process of a soak. A class because arrays cannot hold noncopyable values, and threads read from it.
final class SoakProcess: Sendable {
    private let pid: pid_t
    private let child: Mutex<ChildProcess>

    init(_ child: consuming sending ChildProcess) {
        pid = child.pid
        self.child = Mutex(child)
    }

    /// The next line of its output; nil at the end.
    func readLine() throws -> String? { try child.withLock { try $0.readLine(within: 30_000) } }

    var isRunning: Bool { child.withLock { $0.isRunning() } }

    /// Asks it to end; its reader sees the end.
    func askToEnd() { kill(pid, SIGTERM) }
}
