import CMemoryFile
import Glibc
import Synchronization
import SystemCalls
import SystemPackage

/// A command that was run to its end.
///
/// Its input and output are files in memory, however long they are: neither side blocks on a pipe that the other does not
/// read.
package struct ToolRun: Sendable {
    package let output: String
    package let complaint: String
    /// Nil when a signal ended it.
    package let exitCode: Int32?

    /// Where a program is, by PATH and then where administrators' tools are; nil if it is not installed.
    package static func path(of program: String) -> String? {
        let search = getenv("PATH").map { String(cString: $0) } ?? ""
        let directories = search.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        return directories.lazy.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    package typealias Listener = @Sendable (_ tool: String, _ seconds: Int) -> Void

    private static let listener = Mutex<Listener?>(nil)

    /// - Parameter listener: told of a tool that takes long, and for how many seconds more it is waited for.
    package static func tellOfWaiting(_ listener: @escaping Listener) {
        Self.listener.withLock { $0 = listener }
    }

    /// Runs a program with these arguments, the first of which is its name.
    ///
    /// - Parameter seconds: how long it may take before it is killed.
    package init(
        _ path: String, _ arguments: [String], input: String = "", within seconds: Int = 30
    ) throws(TakeoverError) {
        let subject = arguments.joined(separator: " ")
        let streams = try [input, "", ""].map { text throws(TakeoverError) in try MemoryFile(text, for: subject) }
        let child: pid_t
        do {
            child = try Spawn.start(
                path, arguments, input: .descriptor(streams[0].descriptor), output: .descriptor(streams[1].descriptor),
                errors: .descriptor(streams[2].descriptor))
        } catch {
            throw TakeoverError("run", subject, cause: error.plainText)
        }
        let end = try Self.wait(for: child, subject, within: seconds)
        exitCode = ChildExit(status: end).code
        output = streams[1].text
        complaint = streams[2].text
    }

    /// The same, of a program that must succeed.
    static func output(
        of path: String, _ arguments: [String], input: String = ""
    ) throws(TakeoverError) -> String {
        let run = try ToolRun(path, arguments, input: input)
        guard run.exitCode == 0 else {
            let words = run.complaint.split(whereSeparator: \.isNewline).first.map(String.init)
            let end = run.exitCode.map { "exit code \($0)" } ?? "a signal ended it"
            throw TakeoverError("run", arguments.joined(separator: " "), cause: words ?? end)
        }
        return run.output
    }

    private static func wait(for child: pid_t, _ subject: String, within seconds: Int) throws(TakeoverError) -> Int32 {
        var status: Int32 = 0
        let start = ContinuousClock.now
        var isTold = false
        while start.duration(to: .now) < .seconds(seconds) {
            let ended = waitpid(child, &status, WNOHANG)
            if ended == child { return status }
            guard ended == 0 || errno == EINTR else { break }
            if !isTold && start.duration(to: .now) > .seconds(1) {
                listener.withLock { $0 }?(subject, seconds - 1)
                isTold = true
            }
            usleep(2_000)
        }
        kill(child, SIGKILL)
        ChildExit.wait(for: child)
        throw TakeoverError(
            "run", subject, cause: "it still ran after \(seconds) seconds",
            advice: "try it by hand: it may wait for another program that holds its lock")
    }
}

/// A file that exists in memory only. A class because arrays cannot hold noncopyable values.
private final class MemoryFile {
    let descriptor: Int32

    init(_ text: String, for subject: String) throws(TakeoverError) {
        descriptor = memory_file_create("swiftlet-tool")
        guard descriptor >= 0 else {
            throw TakeoverError("run", subject, cause: Errno.last.plainText)
        }
        do throws(Errno) {
            try FileDescriptor(rawValue: descriptor).write(all: Array(text.utf8))
        } catch {
            throw TakeoverError("run", subject, cause: error.plainText)
        }
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit { close(descriptor) }

    /// All of it. The child shares the position in the file, so it is read by its offset.
    var text: String {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = pread(descriptor, &part, part.count, off_t(bytes.count))
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += part[..<count]
        }
    }
}
