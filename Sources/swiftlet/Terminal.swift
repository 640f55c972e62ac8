import Glibc
import SystemPackage

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

    static func styled(_ text: String, _ style: Style) -> String {
        hasColours ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
    }

    static func write(error text: String) {
        write(raw: "swiftlet: \(text)\n")
    }

    /// To standard error as it is, without a line break.
    static func write(raw text: String) {
        _ = try? FileDescriptor.standardError.writeAll(text.utf8)
    }
}
