import Glibc
import Synchronization
import SystemCalls
import SystemPackage

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
        defer {
            close(ends[1])
            close(others[1])
        }
        do {
            pid = try Spawn.start(
                arguments.first ?? "", arguments, environment: environment, output: .descriptor(ends[1]),
                errors: .descriptor(others[1]), leadsGroup: true)
        } catch {
            close(ends[0])
            close(others[0])
            throw .start(error.rawValue)
        }
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
        var count = Glibc.read(descriptor, &bytes, bytes.count)
        while count < 0 && errno == EINTR { count = Glibc.read(descriptor, &bytes, bytes.count) }
        return count > 0 ? Array(bytes[..<count]) : []
    }
}
