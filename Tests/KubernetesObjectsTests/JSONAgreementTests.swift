import FoundationEssentials
import KubernetesObjects
import TestKit
import Testing

@Suite("Agreement on JSON")
struct JSONAgreementTests {
    private static let documents = [
        #"{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","labels":{"a":"b"}},"spec":{"ports":[{"port":80}]}}"#,
        #"[1, -0, 1.5e3, 0.25, true, false, null, "text", [], {}, [[[]]], {"a": {"b": []}}]"#,
        #"{"text": "\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00", "ä€😀": "a text that is longer than eight bytes"}"#,
        "\r\n\t { \"a\" :\t[ 1 ,\n2 ] } \n",
    ]
    /// Pieces that a grammar stumbles over.
    private static let pieces: [[UInt8]] =
        [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "1", "-", "+", ".", "e", "E", "t", "true", "nul", " ", "\n",
            "\\u12", "\\ud800", "\\udc00", "\\u0000", "/", "\u{7F}", "ä", "{}", "[]", "\"\"", ",,", "1.", ".5", "01",
        ].map { Array($0.utf8) } + [[0x01], [0x1F], [0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5], [0xFF]]

    private static func mutated(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = Array(documents[Int.random(in: 0..<documents.count, using: &random)].utf8)
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            // Not the beginning, from which the other reader guesses an encoding.
            guard bytes.count > 8 else { return bytes }
            let place = Int.random(in: 4..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.remove(at: place)
            case 1: bytes.removeSubrange(place...)
            case 2: bytes.insert(contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)], at: place)
            default: bytes[place] = pieces[Int.random(in: 0..<pieces.count, using: &random)][0]
            }
        }
        return bytes
    }

    private static func mistake(_ bytes: [UInt8]) -> SyntaxError? {
        do throws(SyntaxError) {
            _ = try JSONReader.document(bytes, .free)
            return nil
        } catch {
            return error
        }
    }

    @Test("both readers take the same texts for JSON", arguments: UInt64(1)...12)
    func agreement(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var valid = 0
        for _ in 0..<1000 {
            let bytes = Self.mutated(&random)
            let mistake = Self.mistake(bytes)
            // The other reader passes over a comma before ']' and '}', which RFC 8259 does not allow.
            if ["expected a value after ','", "expected a key after ','"].contains(mistake?.cause) { continue }
            let ours = mistake == nil
            let passed = (try? JSONReader.document(bytes, .known)) != nil
            let theirs = (try? JSONDecoder().decode(AnyJSON.self, from: Data(bytes))) != nil
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(ours == theirs, "\(text)")
            #expect(ours == passed, "what is passed over is checked as well: \(text)")
            if ours { valid += 1 }
        }
        #expect((100..<900).contains(valid), "too few of one kind to show anything")
    }

    @Test("random bytes are read or refused, and never more")
    func noise() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = try? JSONReader.document(bytes)
            _ = APIObjectReader(origin: "test").status(bytes)
        }
    }

    @Test("what is written is read again, by both", arguments: [UInt64(1), 2, 3])
    func writing(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let scalars = (0..<Int.random(in: 0..<20, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 0..<(random.chance(2) ? 0x100 : 0x11_0000), using: &random))
            }
            let text = String(String.UnicodeScalarView(scalars))
            var json = JSONWriter()
            json.list { $0.text(text) }
            #expect(try Field(JSONReader.document(json.bytes)).elements.map(\.text) == [text])
            #expect(try JSONDecoder().decode([String].self, from: Data(json.bytes)) == [text])
        }
    }
}

/// Whatever is JSON; its decoding looks at every part.
private struct AnyJSON: Decodable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() { return }
        if (try? container.decode(String.self)) != nil { return }
        if (try? container.decode(Bool.self)) != nil { return }
        if (try? container.decode([String: AnyJSON].self)) != nil { return }
        if (try? container.decode([AnyJSON].self)) != nil { return }
        _ = try container.decode(Double.self)
    }
}
