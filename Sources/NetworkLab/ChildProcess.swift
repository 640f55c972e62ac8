package import Glibc
import SystemCalls
import SystemPackage

/// A process that we started; it is killed and reaped when its owner goes.
///
/// It can start inside a network namespace and a cgroup: small wrappers (`sh`, `nsenter`) move it there and then
/// replace themselves by the command, so its pid is the command's.
package struct ChildProcess: ~Copyable {
    package enum Stream: Sendable {
        case null
        case inherited
        case pipe
        /// Standard error goes where standard output goes.
        case merged
    }

    package enum Status: Sendable, Equatable, CustomStringConvertible {
        case exited(CInt)
        case killed(signal: CInt)

        init(waitStatus: CInt) {
            let signal = waitStatus & 0x7f
            self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .killed(signal: signal)
        }

        package var description: String {
            switch self {
            case .exited(let code): "exit code \(code)"
            case .killed(let signal): "killed by signal \(signal)"
            }
        }
    }

    package let pid: pid_t
    private let command: String
    private var status: Status?
    private var input: Descriptor?
    private let output: Descriptor?
    /// Read from the pipe but not yet handed out.
    private var pending: [UInt8] = []

    /// Starts a command, found in PATH.
    ///
    /// - Parameters:
    ///   - namespace: path of a network namespace, as `NetworkNamespace.path`.
    ///   - cgroup: path of a cgroup2 directory, as `Cgroup.path`.
    package init(
        _ arguments: [String], in namespace: String? = nil, cgroup: String? = nil,
        input: Stream = .null, output: Stream = .inherited, errors: Stream = .inherited
    ) throws(LabError) {
        let full = Self.wrap(arguments, namespace, cgroup)
        command = arguments.first ?? ""
        var inputPipe = try Pipe(isNeeded: input == .pipe)
        var outputPipe = try Pipe(isNeeded: output == .pipe)
        do {
            pid = try Spawn.start(
                full.first ?? "", full, input: input.place(inputPipe.readingEnd),
                output: output.place(outputPipe.writingEnd),
                errors: errors.place(-1))
        } catch {
            let program = full.first ?? "it"
            throw LabError(
                "start", program, cause: ErrnoName.text(of: error.rawValue),
                advice: error == .noSuchFileOrDirectory ? "install \(program)" : nil)
        }
        // The child's ends close here.
        self.input = inputPipe.writing.take()
        self.output = outputPipe.reading.take()
    }

    deinit {
        guard status == nil else { return }
        kill(pid, SIGKILL)
        while waitpid(pid, nil, 0) < 0 && errno == EINTR {}
    }

    /// Whether it still runs; reaps it if it does not.
    package mutating func isRunning() -> Bool { poll() == nil }

    /// Sends a signal; nothing happens when it has ended.
    package mutating func signal(_ number: CInt) {
        if poll() == nil { kill(pid, number) }
    }

    /// Asks it to end and waits; kills it when it takes longer than the grace time.
    @discardableResult
    package mutating func terminate(within milliseconds: Int = 2_000) throws(LabError) -> Status {
        signal(SIGTERM)
        if let status = try? wait(within: milliseconds) { return status }
        signal(SIGKILL)
        return try wait(within: 5_000)
    }

    /// Waits for its end.
    ///
    /// - Throws: when it still runs after the given time; it goes on running.
    @discardableResult
    package mutating func wait(within milliseconds: Int = 30_000) throws(LabError) -> Status {
        let deadline = MonotonicClock.now + UInt64(milliseconds) * 1_000_000
        var pause: UInt32 = 200
        while true {
            if let status = poll() { return status }
            guard MonotonicClock.now < deadline else {
                throw LabError("wait for", "\(command) (pid \(pid))", cause: "still running after \(milliseconds) ms")
            }
            usleep(pause)
            pause = min(pause * 2, 10_000)
        }
    }

    private mutating func poll() -> Status? {
        if let status { return status }
        var raw: CInt = 0
        if waitpid(pid, &raw, WNOHANG) == pid { status = Status(waitStatus: raw) }
        return status
    }

    // MARK: Pipes

    /// Writes to its standard input, which must be a pipe.
    package func write(_ text: String) throws(LabError) {
        guard input != nil else { throw LabError("write to", command, cause: "its input is not a pipe or is closed") }
        try input?.write(text)
    }

    /// Ends its standard input.
    package mutating func closeInput() { input = nil }

    /// The next line of its standard output, without the line feed; `nil` at the end.
    ///
    /// - Throws: when no line came in time.
    package mutating func readLine(within milliseconds: Int = 5_000) throws(LabError) -> String? {
        let deadline = MonotonicClock.now + UInt64(milliseconds) * 1_000_000
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeSubrange(...end)
                return line
            }
            let now = MonotonicClock.now
            let left = now < deadline ? Int((deadline - now) / 1_000_000) : 0
            guard try fill(within: left) else {
                defer { pending = [] }
                return pending.isEmpty ? nil : String(decoding: pending, as: UTF8.self)
            }
        }
    }

    /// All of its standard output until its end.
    package mutating func readToEnd(within milliseconds: Int = 60_000) throws(LabError) -> String {
        while try fill(within: milliseconds) {}
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// Reads what is there; `false` at the end of the output.
    private mutating func fill(within milliseconds: Int) throws(LabError) -> Bool {
        guard output != nil else { throw LabError("read from", command, cause: "its output is not a pipe") }
        guard output?.isReadable(within: milliseconds) == true else {
            throw LabError("read from", "\(command) (pid \(pid))", cause: "no output after \(milliseconds) ms")
        }
        let bytes = try output?.read() ?? []
        pending += bytes
        return !bytes.isEmpty
    }
}

// MARK: - Spawning

extension ChildProcess {
    private static func wrap(_ arguments: [String], _ namespace: String?, _ cgroup: String?) -> [String] {
        var full = arguments
        if let namespace { full = ["nsenter", "--net=\(namespace)", "--"] + full }
        if let cgroup { full = ["sh", "-c", #"echo $$ > "$0/cgroup.procs" && exec "$@""#, cgroup] + full }
        return full
    }
}

extension ChildProcess.Stream {
    /// - Parameter end: the child's end of the pipe.
    fileprivate func place(_ end: CInt) -> ChildStream {
        switch self {
        case .inherited: .inherited
        case .null: .null
        case .merged: .descriptor(STDOUT_FILENO)
        case .pipe: .descriptor(end)
        }
    }
}
