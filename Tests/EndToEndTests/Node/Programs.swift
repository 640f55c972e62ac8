import Foundation
import NetworkLab
import Synchronization

/// The programs under test, and where to find what they need.
enum Programs {
    static let swiftlet = directory + "/swiftlet"
    static let lab = directory + "/swiftlet-lab"

    /// A program that allows everything, for the part of somebody else's on our hooks.
    static let bystanderObject = repository + "/build/bpf/empty.bpf.o"

    /// Gives a command the rights that the unit gives the daemon.
    static let leastRights = repository + "/scripts/least-rights.sh"

    /// The programs once more, with another version of the map layout.
    static let otherObjects = repository + "/build/bpf/other"

    /// Where the programs are: as they were built beside this test bundle, or in `SWIFTLET_PROGRAMS`, where a release
    /// build has left those that users get.
    private static let directory: String = {
        if let directory = ProcessInfo.processInfo.environment["SWIFTLET_PROGRAMS"] {
            return URL(fileURLWithPath: directory).path
        }
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: executable).deletingLastPathComponent().path
    }()

    private static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .path
}

/// What a program that ended left: its code and its words.
struct Outcome: Sendable, CustomStringConvertible {
    var status: ChildProcess.Status
    /// Standard output, with standard error in between when it was asked for.
    var output: String

    var description: String { "\(status): \(output)" }
}

extension Programs {
    /// Runs a program to its end, whatever its exit code.
    ///
    /// - Parameter errors: `.merged` for words that people read, `.inherited` for output that is to be decoded.
    static func run(
        _ arguments: [String], in namespace: String? = nil, cgroup: String? = nil,
        errors: ChildProcess.Stream = .merged, within milliseconds: Int = 60_000
    ) throws -> Outcome {
        var child = try ChildProcess(arguments, in: namespace, cgroup: cgroup, output: .pipe, errors: errors)
        let output = try child.readToEnd(within: milliseconds)
        return Outcome(status: try child.wait(), output: output)
    }

    /// Runs a program whose output is one JSON document.
    static func decode<Value: Decodable>(
        _ type: Value.Type = Value.self, from arguments: [String], in namespace: String? = nil, cgroup: String? = nil
    ) throws -> Value {
        let outcome = try run(arguments, in: namespace, cgroup: cgroup, errors: .inherited)
        do {
            return try JSONDecoder().decode(Value.self, from: Data(outcome.output.utf8))
        } catch {
            throw TestFailure("\(arguments.joined(separator: " ")) printed no \(Value.self): \(outcome), \(error)")
        }
    }
}

/// Why a test cannot go on.
struct TestFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// A process of ours that runs beside the test; it is killed when nobody holds it any more.
final class RunningProcess: Sendable {
    let pid: pid_t
    private let child: Mutex<ChildProcess>

    init(
        _ arguments: [String], in namespace: String? = nil, cgroup: String? = nil,
        input: ChildProcess.Stream = .null, output: ChildProcess.Stream = .pipe
    ) throws {
        let child = try ChildProcess(
            arguments, in: namespace, cgroup: cgroup, input: input, output: output, errors: .inherited)
        pid = child.pid
        self.child = Mutex(child)
    }

    var isRunning: Bool { child.withLock { $0.isRunning() } }

    /// The next line of its output.
    func readLine(within milliseconds: Int = 10_000) throws -> String {
        guard let line = try child.withLock({ try $0.readLine(within: milliseconds) }) else {
            throw TestFailure("process \(pid) ended its output")
        }
        return line
    }

    /// All that it says until its end.
    func readToEnd() throws -> String { try child.withLock { try $0.readToEnd() } }

    /// Waits for the line that holds its report.
    func decode<Value: Decodable>(_: Value.Type, within milliseconds: Int = 60_000) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(readLine(within: milliseconds).utf8))
    }

    func write(_ text: String) throws { try child.withLock { try $0.write(text) } }

    /// Ends its standard input.
    func closeInput() { child.withLock { $0.closeInput() } }

    func wait(within milliseconds: Int = 30_000) throws -> ChildProcess.Status {
        try child.withLock { try $0.wait(within: milliseconds) }
    }

    func signal(_ number: CInt) { child.withLock { $0.signal(number) } }

    /// Ends it with SIGTERM, and with SIGKILL when it does not.
    @discardableResult
    func terminate(within milliseconds: Int = 5_000) throws -> ChildProcess.Status {
        try child.withLock { try $0.terminate(within: milliseconds) }
    }
}
