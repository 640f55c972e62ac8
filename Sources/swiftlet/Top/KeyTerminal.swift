import Glibc
import SystemCalls
import SystemPackage

/// A terminal that gives keys one by one and shows one page; as it was before when this goes.
struct KeyTerminal: ~Copyable {
    private let before: termios

    /// Nil unless both ends are a terminal.
    init?() {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else { return nil }
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        let before = settings
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
        guard tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0 else { return nil }
        self.before = before
        Self.put("\u{1b}[?1049h\u{1b}[?25l")
    }

    deinit {
        var settings = before
        Self.put("\u{1b}[?25h\u{1b}[?1049l")
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    /// In characters.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    func show(_ page: String) {
        let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        Self.put("\u{1b}[H" + lines.map { "\($0)\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
    }

    /// The next key; nil when none comes in time, or at a signal.
    func key(within duration: Duration) -> Character? {
        var keys = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        let milliseconds = max(0, Int32(clamping: Int64(duration / .milliseconds(1))))
        guard poll(&keys, 1, milliseconds) > 0 else { return nil }
        var byte: UInt8 = 0
        let count = read(STDIN_FILENO, &byte, 1)
        if count < 0 && errno == EINTR { return nil }
        // The end of the input is a wish to end.
        guard count == 1 else { return "q" }
        return Character(UnicodeScalar(byte))
    }

    private static func put(_ text: String) {
        // A terminal that is gone is noticed by what reads it.
        try? FileDescriptor.standardOutput.write(all: Array(text.utf8))
    }
}
