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
        let file = try file("name: a\nlist: [b, c]\nflag: true\nnumber: 4294967295\nempty:\n")
        let settings = file.settings
        #expect(settings.keys == ["name", "list", "flag", "number", "empty"])
        #expect(settings.text("name") == "a")
        #expect(settings.texts("list") == ["b", "c"])
        #expect(settings.flag("flag") == true)
        #expect(settings.count("number") == .max)
        #expect(settings.text("empty") == nil)
        #expect(settings.texts("absent") == nil)
        #expect(file.mistakes == [])
    }

    @Test("nothing is set by an empty file", arguments: ["", "# nothing\n", "---\n", "{}"])
    func empty(text: String) throws {
        let file = try file(text)
        #expect(file.settings.keys == [])
        #expect(file.mistakes == [])
    }

    @Test(
        "a number that is none names its key",
        arguments: [
            ("n: lots", "n is lots; write a whole number"),
            ("n: -1", "n is -1; write a number from 0 to 4294967295"),
            ("n: 4294967296", "n is 4294967296; write a number from 0 to 4294967295"),
        ])
    func mistake(text: String, expected: String) throws {
        let file = try file(text)
        #expect(file.settings.count("n") == nil)
        #expect(file.mistakes == [expected])
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

    @Test("what Go writes for nothing says nothing")
    func nothing() throws {
        let text = "a: \"\"\nb: 0\nc: 0s\nd: false\ne: null\nf: []\ng: {h: \"\", i: 0}\nj: {k: 1}\nl: none\nm: [0]"
        let settings = try file(text).settings
        #expect(settings.keys.filter(settings.says) == ["j", "l", "m"])
        #expect(!settings.says("absent"))
    }

    @Test("a map in the map, and a text in a form of its own, name their path")
    func sections() throws {
        let file = try file("outer: {inner: word, other: [a, b]}\nflat: 1")
        let outer = try #require(file.settings.section("outer"))
        #expect(outer.parsed("inner") { (_) throws(SettingMistake) in 7 } == 7)
        #expect(outer.parsed("inner") { (_) throws(SettingMistake) -> Int in throw SettingMistake("write 7") } == nil)
        #expect(
            outer.parsedList("other") { (_) throws(SettingMistake) -> Int in throw SettingMistake("write c") } == nil)
        #expect(file.settings.section("flat") == nil)
        #expect(
            file.mistakes == [
                "outer.inner is word; write 7", "outer.other is [a, b]; write c",
                "flat is 1; write a map with keys and values",
            ])
    }

    @Test("a file that is not there")
    func absent() {
        let error = #expect(throws: ManifestSourceError.self) { try SettingsFile("/absent/settings.yaml") }
        #expect(
            error?.description
                == "cannot read configuration /absent/settings.yaml: no such file or directory; check --config")
    }
}
