import KubernetesObjects
import Testing

@Suite("Quoted in a message")
struct OneLineTests {
    @Test(
        "a text is one line, and what cannot be seen is escaped",
        arguments: [
            ("10.96.0.15", "10.96.0.15"), ("", ""), ("grün é 日本", "grün é 日本"), ("a\nb", "a\\nb"),
            ("a\r\nb", "a\\r\\nb"),
            ("\u{1b}[2J", "\\u{1B}[2J"), ("\u{202e}txt", "\\u{202E}txt"),
            ("a\u{2028}b\u{feff}", "a\\u{2028}b\\u{FEFF}"),
            ("\0", "\\0"), ("\u{7f}\u{85}", "\\u{7F}\\u{0085}"),
        ])
    func escapes(text: String, shown: String) {
        #expect(text.oneLine() == shown)
        #expect(text.oneLine().oneLine() == shown, "what was made is made again into something else")
    }

    @Test("a long text keeps its beginning and its end", arguments: ["[", "é", "\n", "e\u{301}"])
    func shortens(filling: String) {
        let text = "is \"" + String(repeating: filling, count: 1_000) + "\", which is no IP address"
        let shown = text.oneLine(atMost: 120)
        #expect(shown.unicodeScalars.count <= 120)
        #expect(
            shown.hasPrefix("is \"") && shown.hasSuffix(", which is no IP address")
                && shown.unicodeScalars.contains("…"))
    }

    @Test("a text is shortened when it is too long, and not before")
    func limit() {
        #expect(String(repeating: "x", count: 400).oneLine() == String(repeating: "x", count: 400))
        #expect(String(repeating: "é", count: 400).oneLine() == String(repeating: "é", count: 400))
        #expect(String(repeating: "x", count: 401).oneLine().count == 400)
    }
}
