import KubernetesObjects
import Testing

@Suite("Reading JSON")
struct JSONReaderTests {
    private func cause(_ text: String) -> String? {
        cause(Array(text.utf8))
    }

    private func cause(_ bytes: [UInt8]) -> String? {
        do throws(SyntaxError) {
            _ = try JSONReader.document(bytes)
            return nil
        } catch {
            return error.text
        }
    }

    @Test(
        "a mistake is told with its place",
        arguments: [
            ("", "line 1, column 1: the text ends too early"),
            ("{\"a\": 1\n\"b\": 2}", "line 2, column 1: expected ',' or '}'"),
            ("[1 2]", "line 1, column 4: expected ',' or ']'"),
            ("[1,]", "line 1, column 4: expected a value after ','"),
            ("{\"a\":1,}", "line 1, column 8: expected a key after ','"),
            ("{a: 1}", "line 1, column 2: expected a key in double quotes"),
            ("{\"a\" 1}", "line 1, column 6: expected ':' after the key"),
            ("{\"a\":1,\n \"a\":2}", "line 2, column 3: the key a appears twice"),
            ("\"abc", "line 1, column 1: the string is not closed"),
            ("\"a\nb\"", "line 1, column 3: a control character is not escaped"),
            ("\"\\x\"", "line 1, column 2: invalid escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u"),
            ("\"\\u12g4\"", "line 1, column 2: \\u needs four hexadecimal digits"),
            ("\"\\ud800\"", "line 1, column 2: half of a surrogate pair stands alone"),
            ("\"\\udc00\\ud800\"", "line 1, column 2: half of a surrogate pair stands alone"),
            ("tru", "line 1, column 1: expected a value"),
            ("01", "line 1, column 1: a number begins with 0"),
            ("1.", "line 1, column 1: a number ends with '.'"),
            ("1e+", "line 1, column 1: a number has no digits in its exponent"),
            ("+1", "line 1, column 1: expected a value"), ("NaN", "line 1, column 1: expected a value"),
            ("1 2", "line 1, column 3: a second value follows the first"),
        ])
    func mistakes(text: String, told: String) {
        #expect(cause(text) == told)
    }

    @Test("a byte that is not UTF-8 is told", arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82]])
    func notUTF8(bytes: [Int]) {
        #expect(cause([0x22] + bytes.map(UInt8.init) + [0x22]) == "line 1, column 2: a byte is not UTF-8")
    }

    @Test("nesting has a limit", arguments: [(512, nil), (513, "line 1, column 513: the nesting is too deep")])
    func nesting(depth: Int, told: String?) {
        #expect(cause(String(repeating: "[", count: depth) + String(repeating: "]", count: depth)) == told)
    }

    @Test(
        "escapes stand for their characters",
        arguments: [
            (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e4\u20AC""#, "ä€"),
            (#""\ud83d\ude00!""#, "😀!"), ("\"ä€😀 and eight more\"", "ä€😀 and eight more"), ("\"\"", ""),
        ])
    func escapes(text: String, meaning: String) throws {
        guard case .quoted(let read) = Field(try JSONReader.document(Array(text.utf8))).value else { throw Missing() }
        #expect(read == meaning)
    }

    @Test("a number keeps its text", arguments: ["0", "-0", "1e400", "12345678901234567890123", "1.50", "-1.0E-7"])
    func numbers(text: String) throws {
        guard case .plain(let read) = Field(try JSONReader.document(Array(" \(text) ".utf8))).value else {
            throw Missing()
        }
        #expect(read == text)
    }
}

struct Missing: Error {}
