import CLibbpf
import Glibc
import Synchronization
import SystemCalls

/// What libbpf says, collected instead of written to standard error.
///
/// libbpf has one print function for the process. This one keeps the lines of the threads that are inside
/// `collecting`, and drops all others.
enum LibbpfLog {
    /// The text of each collecting thread.
    private static let collected = Mutex<[pthread_t: String]>([:])

    private static let installed: Void = {
        _ = libbpf_set_print { level, format, arguments in
            guard level != LIBBPF_DEBUG, let format, let arguments, let text = LibbpfLog.formatted(format, arguments)
            else { return 0 }
            LibbpfLog.collected.withLock { $0[pthread_self()]?.append(text) }
            return 0
        }
    }()

    /// Silences libbpf; what is not collected is dropped.
    static func install() { installed }

    /// Runs a call into libbpf and returns its result with all that it said.
    static func collecting<Result>(_ body: () -> Result) -> (result: Result, log: String) {
        install()
        let thread = pthread_self()
        collected.withLock { $0[thread] = "" }
        let result = body()
        let log = collected.withLock { $0.removeValue(forKey: thread) }
        return (result, log ?? "")
    }

    private static func formatted(_ format: UnsafePointer<CChar>, _ arguments: CVaListPointer) -> String? {
        guard let text = swl_format(format, arguments) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}

/// The parts of a load log that a person reads first.
struct LoadLog {
    let text: String

    /// "swl_connect4 rejected: R2 invalid mem access 'scalar'", or libbpf's last words when no program is to blame.
    var reason: String? {
        let lines = text.split(separator: "\n").map(String.init)
        guard let begin = lines.lastIndex(where: { $0.contains("BEGIN PROG LOAD LOG") }) else {
            // libbpf goes on from the cause to what follows from it; a pin that does not fit is said early.
            let telling =
                lines.first { $0.contains("couldn't reuse pinned map") }
                ?? lines.last { !$0.contains("failed to load object") }
            return telling.map(Self.withoutPrefix)
        }
        let end = lines[begin...].firstIndex { $0.contains("END PROG LOAD LOG") } ?? lines.endIndex
        let program = lines[begin].split(separator: "'").dropFirst().first.map(String.init) ?? "a program"
        let telling = lines[(begin + 1)..<end].last { !Self.isStatistics($0) }
        return telling.map { "\(program) rejected: \($0)" }
    }

    /// True if the verifier spoke, so that the cause is in the program and not in the caller's rights.
    var hasVerifierLog: Bool { text.contains("BEGIN PROG LOAD LOG") }

    /// What to do when no program is to blame.
    var advice: String? {
        text.contains("couldn't reuse pinned map") ? "it is of another version: unpin it, or choose another path" : nil
    }

    private static func withoutPrefix(_ line: String) -> String {
        line.hasPrefix("libbpf: ") ? String(line.dropFirst("libbpf: ".count)) : line
    }

    /// Lines that end every verifier log and say nothing about the error.
    private static func isStatistics(_ line: String) -> Bool {
        line.allSatisfy(\.isWhitespace)
            || ["processed ", "verification time ", "stack depth "].contains { line.hasPrefix($0) }
    }
}
