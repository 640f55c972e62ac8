import Glibc
import Synchronization
import SystemCalls

/// Runs a credential plugin to its end, on a thread that may block.
struct PluginProcess: ~Copyable {
    struct Outcome {
        var output: [UInt8] = []
        /// What it said on standard error: the last few kilobytes.
        var complaint: [UInt8] = []
        /// As `waitpid` gives it.
        var status: CInt = 0
    }

    enum Failure: Error {
        case start(CInt)
        case overdue
        case tooLong
        case cancelled
    }

    private static let longestOutput = 1 << 20
    private static let longestComplaint = 4096

    private let pid: pid_t
    private let output: CInt
    private let complaint: CInt
    private var outcome = Outcome()
    private var isReaped = false

    /// - Parameter environment: the whole of it, `NAME=value`.
    init(_ arguments: [String], environment: [String]) throws(Failure) {
        var (ends, others): ([CInt], [CInt]) = ([-1, -1], [-1, -1])
        guard pipe(&ends) == 0 else { throw .start(errno) }
        guard pipe(&others) == 0 else {
            let number = errno
            for end in ends { close(end) }
            throw .start(number)
        }
        for end in ends + others { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (status, pid) = Self.spawn(arguments, environment, output: ends[1], complaint: others[1])
        close(ends[1])
        close(others[1])
        guard status == 0 else {
            close(ends[0])
            close(others[0])
            throw .start(status)
        }
        self.pid = pid
        (output, complaint) = (ends[0], others[0])
    }

    deinit {
        close(output)
        close(complaint)
        guard !isReaped else { return }
        // Its whole process group: a plugin may be a script whose child hangs.
        kill(-pid, SIGKILL)
        ChildExit.wait(for: pid)
    }

    private static func spawn(
        _ arguments: [String], _ environment: [String], output: CInt, complaint: CInt
    ) -> (CInt, pid_t) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, complaint, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The thread that starts it may block signals, which the plugin would inherit.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var pid: pid_t = 0
        let status = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                guard let command = arguments[0] else { return EINVAL }
                return posix_spawnp(&pid, command, &actions, &attributes, arguments, environment)
            }
        }
        return (status, pid)
    }

    /// Waits for its end, and reads what it says meanwhile.
    consuming func run(within limit: Duration, isCancelled: borrowing Atomic<Bool>) throws(Failure) -> Outcome {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        while true {
            guard !isCancelled.load(ordering: .relaxed) else { throw .cancelled }
            guard clock.now < deadline else { throw .overdue }
            // It may have ended before the pipes' last byte was read, and a child of it may hold them open for ever.
            let hasEnded = reap()
            try readWhatIsThere(waiting: !hasEnded)
            if hasEnded { return outcome }
        }
    }

    private mutating func reap() -> Bool {
        guard waitpid(pid, &outcome.status, WNOHANG) == pid else { return false }
        isReaped = true
        return true
    }

    private mutating func readWhatIsThere(waiting: Bool) throws(Failure) {
        var milliseconds: CInt = waiting ? 20 : 0
        var places = [
            pollfd(fd: output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: complaint, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&places, 2, milliseconds) > 0 {
            milliseconds = 0
            for index in places.indices where places[index].revents != 0 {
                let bytes = Self.read(places[index].fd)
                if bytes.isEmpty {
                    // At its end; poll passes a negative descriptor over.
                    places[index].fd = -1
                } else if index == 0 {
                    outcome.output += bytes
                } else {
                    outcome.complaint = (outcome.complaint + bytes).suffix(Self.longestComplaint)
                }
            }
            guard outcome.output.count <= Self.longestOutput else { throw .tooLong }
            if places.allSatisfy({ $0.fd < 0 }) { break }
        }
        // Both pipes are at their end, and the process is not yet.
        if milliseconds == 0 && waiting { poll(nil, 0, 2) }
    }

    private static func read(_ descriptor: CInt) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count > 0 ? Array(bytes[..<count]) : []
    }
}

/// The texts as C has an argument list; the pointers live as long as the call.
private func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    pointers.append(nil)
    return pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("an array with an element has an address") }
        return body(base)
    }
}
