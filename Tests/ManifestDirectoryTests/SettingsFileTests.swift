import TestKit
import Testing

@testable import ManifestDirectory

@Suite("A file of settings")
struct SettingsFileTests {
    private func file(_ text: String) throws -> SettingsFile {
        let directory = try TemporaryDirectory()
        try directory.write(text, to: "settings.yaml")
        return try SettingsFile("\(directory.path)/settings.yaml")
    }

    @Test("scalars and lists, in the file's order")
    func reads() throws {
        let settings = try file("name: a\nlist: [b, c]\nflag: true\nnumber: 4294967295\nempty:\n")
        #expect(settings.keys == ["name", "list", "flag", "number", "empty"])
        #expect(settings.text("name") == "a")
        #expect(settings.texts("list") == ["b", "c"])
        #expect(settings.flag("flag") == true)
        #expect(settings.count("number") == .max)
        #expect(settings.text("empty") == nil)
        #expect(settings.texts("absent") == nil)
        #expect(settings.mistakes == [])
    }

    @Test("nothing is set by an empty file", arguments: ["", "# nothing\n", "---\n", "{}"])
    func empty(text: String) throws {
        let settings = try file(text)
        #expect(settings.keys == [])
        #expect(settings.mistakes == [])
    }

    @Test(
        "a number that is none names its key",
        arguments: [
            ("n: lots", "n is lots; write a whole number"),
            ("n: -1", "n is -1; write a number from 0 to 4294967295"),
            ("n: 4294967296", "n is 4294967296; write a number from 0 to 4294967295"),
        ])
    func mistake(text: String, expected: String) throws {
        let settings = try file(text)
        #expect(settings.count("n") == nil)
        #expect(settings.mistakes == [expected])
    }

    @Test(
        "a file that is no map is a mistake",
        arguments: [
            ("words", "it is a text; write keys and values"), ("[a]", "it is a list; write keys and values"),
            ("a: 1\n---\nb: 2", "it holds several documents; write one"),
            ("a: 1\na: 2", "line 2: the key a appears twice; correct the YAML"),
        ])
    func notSettings(text: String, expected: String) throws {
        #expect(try file(text).mistakes == [expected])
    }

    @Test("a file that is not there")
    func absent() {
        let error = #expect(throws: ManifestSourceError.self) { try SettingsFile("/absent/settings.yaml") }
        #expect(
            error?.description
                == "cannot read configuration /absent/settings.yaml: no such file or directory; check --config")
    }
}
