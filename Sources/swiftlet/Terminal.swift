import Glibc
import NetworkLab
import ServiceModel
import SystemPackage
import SystemCalls

/// Writing for people: colours only on a terminal that wants them.
enum Terminal {
    enum Style: String {
        case good = "32"
        case bad = "31"
        case warning = "33"
        case faint = "2"
        case bold = "1"
    }

    static let hasColours =
        isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil
        && getenv("TERM").map { String(cString: $0) } != "dumb"

    /// How many columns standard output has; nil where it is no terminal.
    static var width: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0
        else { return nil }
        return Int(size.ws_col)
    }

    static func styled(_ text: String, _ style: Style) -> String {
        hasColours ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// An empty screen, the cursor at its top.
    static func clear() { print("\u{1b}[H\u{1b}[2J", terminator: "") }

    /// What was printed goes out now, so that a reader of a pipe sees it before there is more.
    static func flush() { fflush(nil) }

    /// Whether what is printed is read: false for a pipe whose reader has gone, and of a terminal that hung up.
    static var hasReader: Bool {
        var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&output, 1, 0) <= 0 || output.revents & Int16(POLLERR) == 0
    }

    /// Has all that was printed written.
    /// - Throws: where there is no room for it.
    static func finish() throws(CommandError) {
        guard fflush(nil) != 0 else { return }
        throw CommandError(.outputNotWritten, "cannot write the output: \(Errno.last.plainText)")
    }

    static func write(error text: String) {
        write(raw: "swiftlet: \(text)\n")
    }

    /// What went wrong, and where it is explained.
    static func write(failure error: any Error) {
        ProgressLine.clear()
        write(error: "\(error)")
        if let advice = FailureCode(of: error)?.advice { write(raw: "  \(advice)\n") }
    }

    /// To standard error as it is, without a line break.
    static func write(raw text: String) {
        _ = try? FileDescriptor.standardError.writeAll(text.utf8)
    }
}
