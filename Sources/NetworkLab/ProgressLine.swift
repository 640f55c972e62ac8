import Glibc
import SystemCalls
import SystemPackage

/// A line on a terminal that says how far long work is, each in place of the one before. Where standard error is no
/// terminal, nothing.
package enum ProgressLine {
    package static let isShown =
        isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"

    /// The cursor stays at the line's begin, so that whatever is printed next is printed over it.
    package static func show(_ text: String) {
        guard isShown else { return }
        put("\r\(text.prefix(width - 1))\u{1b}[K\r")
    }

    package static func clear() {
        guard isShown else { return }
        put("\r\u{1b}[K")
    }

    /// `34 of 180`, with the share that is done.
    package static func share(_ done: Int, of all: Int) -> String {
        "\(done) of \(all) (\(all > 0 ? done * 100 / all : 100) %)"
    }

    /// In characters: a longer line would be two, and the first would stay.
    private static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 80 }
        return Int(size.ws_col)
    }

    private static func put(_ text: String) {
        try? FileDescriptor.standardError.write(all: Array(text.utf8))
    }
}
