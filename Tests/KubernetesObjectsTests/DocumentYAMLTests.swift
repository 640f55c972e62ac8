import KubernetesObjects
import Testing

@Suite("a document as YAML")
struct DocumentYAMLTests {
    private func yaml(_ json: String) throws -> String { try JSONReader.document(Array(json.utf8)).yaml }

    @Test("lists stand at the depth of their key, and what is empty on its line")
    func blocks() throws {
        let text = try yaml(
            #"{"a": {"b": [1, {"c": "x", "d": [true]}, [2, 3]]}, "e": [], "f": {}, "g": null, "h": [[]]}"#)
        #expect(
            text == """
                a:
                  b:
                  - 1
                  - c: x
                    d:
                    - true
                  - - 2
                    - 3
                e: []
                f: {}
                g: null
                h:
                - []

                """)
    }

    @Test(
        "a text is quoted where it could be read as something else",
        arguments: [
            ("default/web", "default/web"), ("10.96.0.15", "\"10.96.0.15\""), ("true", "\"true\""), ("No", "\"No\""),
            ("a: b", "\"a: b\""), ("", "\"\""), ("- x", "\"- x\""), ("end ", "\"end \""), ("a\nb", "\"a\\nb\""),
            ("say \"x\"", "\"say \\\"x\\\"\""), ("ü", "\"ü\""), ("fd00::1", "\"fd00::1\""), ("\u{1}", "\"\\x01\""),
        ])
    func texts(value: String, expected: String) throws {
        let json =
            "[\""
            + value.reduce(into: "") { text, character in
                switch character {
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                case "\u{1}": text += "\\u0001"
                default: text.append(character)
                }
            } + "\"]"
        #expect(try yaml(json) == "- \(expected)\n")
    }
}
