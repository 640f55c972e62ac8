import Foundation
import Glibc
import NetworkLab

/// With what rights the daemon of a node runs.
enum DaemonRights: Sendable {
    /// The tests' own: it gives up itself what it does not need.
    case root
    /// Those of packaging/swiftlet.service: another user, three capabilities, and a read-only file system.
    case least

    /// What the environment asks for: with SWIFTLET_TEST_LEAST_RIGHTS=1 every daemon has the least.
    static let wanted: DaemonRights =
        ProcessInfo.processInfo.environment["SWIFTLET_TEST_LEAST_RIGHTS"] == "1" ? .least : .root

    /// A user whom no machine has.
    static let user: UInt32 = 64_999

    /// Does what root does before the daemon starts.
    func prepare(_ node: TestNode) throws {
        guard self == .least else { return }
        let outcome = try Programs.run([
            Programs.swiftlet, "prepare", "--user", "\(Self.user):\(Self.user)", "--bpf-root", node.bpfRoot,
            "--state-dir", node.stateDirectory,
        ])
        guard outcome.status == .exited(0) else { throw TestFailure("cannot prepare: \(outcome)") }
    }

    /// Lets the daemon read a file, and see its directory.
    func handOver(_ file: String) throws {
        guard self == .least else { return }
        for path in [file, URL(fileURLWithPath: file).deletingLastPathComponent().path] {
            guard chown(path, Self.user, Self.user) == 0 else {
                throw TestFailure("cannot give \(path) away: \(ErrnoName.name(of: errno))")
            }
        }
    }

    /// The command line that runs a command with these rights.
    func running(_ command: [String], on node: TestNode) -> [String] {
        switch self {
        case .root: return command
        case .least:
            let writable = [node.bpfRoot, node.runDirectory, node.stateDirectory].flatMap { ["--writable", $0] }
            return [Programs.leastRights, "\(Self.user):\(Self.user)"] + writable + ["--"] + command
        }
    }
}
