import CDatapath
import Foundation
import NetworkLab
import ServiceModel
import Testing

@testable import swiftlet

/// The tables of docs/reference.md, which `swiftlet help` prints, beside the code.
@Suite("the reference")
struct ReferenceTests {
    private static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources")

    private func run(_ arguments: String...) throws -> String {
        var child = try ChildProcess([CommandLineTests.swiftlet] + arguments, output: .pipe, errors: .merged)
        let output = try child.readToEnd(within: 60_000)
        #expect(try child.wait() == .exited(0))
        return output
    }

    /// All of the program's Swift.
    private static func code(but file: String? = nil) throws -> String {
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
        return try (files?.compactMap { $0 as? URL } ?? [])
            .filter { $0.pathExtension == "swift" && !$0.path.contains("swiftlet-lab") }
            .filter { $0.lastPathComponent != file }
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined()
    }

    @Test("help of a word is of it alone, and wrong usage where it has none")
    func words() throws {
        #expect(try run("help", "settings", "socket-lb").hasPrefix("--socket-lb "))
        for words in [["logs", "zzz"], ["counters", "zzz"], ["zzz"]] {
            var child = try ChildProcess([CommandLineTests.swiftlet, "help"] + words, output: .pipe, errors: .merged)
            let output = try child.readToEnd(within: 60_000)
            #expect(try child.wait() == .exited(2), "\(output)")
        }
    }

    @Test("cells are told apart, and lose their marks")
    func cells() {
        #expect(
            Reference.cells(of: #"| `--socket-lb full\|host` | see [Sizes](#sizes), **never** | – |"#)
                == ["--socket-lb full|host", "see Sizes, never", "–"])
    }

    @Test("every counter is in it, and nothing else")
    func counters() {
        let names = (0..<UInt32(COUNT_MAX.rawValue)).compactMap { lb_counter_name($0) }
            .map { String(cString: $0).lowercased() }
        #expect(Reference.counters.rows.dropFirst().map { $0[0] }.sorted() == names.sorted())
    }

    @Test("every line that is logged is in it, and nothing else")
    func logs() throws {
        let code = try Self.code()
        let documented = Reference.logs.rows.dropFirst().flatMap { row in
            row[1].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }.map { String($0.prefix { $0 != "…" }) }
        // A message with a comma is cut in two above, and then each half is looked for.
        for message in documented where !message.isEmpty {
            #expect(code.contains(message.trimmingCharacters(in: .whitespaces)), "\(message)")
        }
        let page = Reference.logs.rows.dropFirst().map { $0[1] }.joined(separator: "\n")
        let logged = code.matches(
            of: #/\b(?:log\.(?:info|notice|warning|error)|(?:lines|resolved)\.add)\(\s*"([^"\\]+)"/#
        ).map { String($0.1) }
        #expect(logged.count > 40)
        for message in Set(logged) {
            let begin = message.split(separator: ";")[0]
            #expect(page.contains(begin), "docs/reference.md does not know the log line: \(message)")
        }
    }

    @Test("every flag of run is in the documentation, and nothing else in the table")
    func settings() throws {
        let flags =
            try Self.code().isEmpty
            ? [] : run("help", "run").matches(of: #/(?m)^  (?:-\w, )?(--[a-z0-9-]+)/#).map { String($0.1) }
        #expect(flags.count > 40)
        let page = try String(
            contentsOf: Self.sources.deletingLastPathComponent().appendingPathComponent("docs/reference.md"),
            encoding: .utf8)
        for flag in Set(flags).subtracting(["--help", "--version", "--without-effect"]) {
            #expect(page.contains("`\(flag)"), "docs/reference.md does not know \(flag)")
        }
        let aliases: Set = ["--logging-format", "--master", "--node-name", "--v"]
        for row in Reference.settings.rows.dropFirst() {
            for flag in row[0].matches(of: #/--[a-z0-9-]+/#).map({ String($0.0) }) where !aliases.contains(flag) {
                #expect(flags.contains(flag), "\(flag) is no flag of run")
            }
        }
    }

    @Test("swiftlet help prints it", arguments: Reference.allCases)
    func prints(reference: Reference) throws {
        let text = try run("help", reference.rawValue)
        #expect(text.split(separator: "\n").allSatisfy { !$0.contains("`") && !$0.contains("](") })
        let first =
            reference == .counters
            ? "refuse_unknown_port\n    ECONNREFUSED: the ClusterIP does not serve this port\n" : ""
        #expect((first.isEmpty || text.contains(first)) && text.count > 2_000)
        #expect(try run("help", "reasons").contains("portNamesDiffer"))
    }

    @Test("every reason has its row and its anchor on the page that messages name", arguments: ReasonCode.allCases)
    func reasons(code: ReasonCode) throws {
        guard let docs = code.docs else { return #expect(code == .works) }
        let parts = docs.split(separator: "#").map(String.init)
        let root = Self.sources.deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent(parts[0]), encoding: .utf8)
        let (anchor, entry) = (parts[1], code.entry)
        let cells = ["<a id=\"\(anchor)\"></a>`\(code.rawValue)`", entry.object, entry.meaning, entry.remedy]
        let row = "| \(cells.joined(separator: " | ")) |"
        #expect(page.contains("\n\(row)\n"), "\(row)")
    }

    @Test("swiftlet help reasons CODE prints one")
    func oneReason() throws {
        let text = try run("help", "reasons", "noslice")
        #expect(text.hasPrefix("noSlice: ") && text.contains("see:      docs/troubleshoot.md#noSlice"))
        #expect(throws: CommandError.self) { try Catalogue.reasons.text(of: "noSlize") }
    }

    @Test("every error has its row and its anchor on the page that messages name", arguments: FailureCode.allCases)
    func errors(code: FailureCode) throws {
        let page = try String(
            contentsOf: Self.sources.deletingLastPathComponent().appendingPathComponent("docs/troubleshoot.md"),
            encoding: .utf8)
        let entry = code.entry
        let cells = ["<a id=\"\(code.rawValue)\"></a>`\(code.rawValue)`", entry.happened, entry.why, entry.remedy]
        let row = "| \(cells.joined(separator: " | ")) |"
        #expect(page.contains("\n\(row)\n"), "\(row)")
        #expect(code.docs == "docs/troubleshoot.md#\(code.rawValue)")
        #expect(ReasonCode(rawValue: code.rawValue) == nil, "two anchors of one name")
    }

    @Test("every error of the catalogue is used")
    func usedErrors() throws {
        let elsewhere = try Self.code(but: "FailureCode.swift")
        for code in FailureCode.allCases {
            #expect(elsewhere.contains(try Regex("\\.\(code.rawValue)[^A-Za-z]")), "\(code)")
        }
    }

    @Test("every error that may leave a module has a code")
    func documentedErrors() throws {
        let code = try Self.code()
        // They reach people as a part of something else: a problem, a line of the log, another error.
        let inner: Set = [
            "APIStatus", "Failure", "GracePeriodError", "MalformedMessage", "StateCacheError", "SyntaxError",
        ]
        // Of programs that are not installed.
        let lab: Set = ["PacketBenchmarkError", "UnknownObject"]
        let declared = code.matches(of: #/package (?:struct|enum) (\w+): Error\b/#).map { String($0.1) }
        let documented = Set(code.matches(of: #/extension (\w+): DocumentedError\b/#).map { String($0.1) })
        #expect(declared.count > 15)
        for name in Set(declared).subtracting(inner).subtracting(lab) {
            #expect(documented.contains(name), "\(name) is no DocumentedError")
        }
    }

    @Test("a command that fails names the code of its error")
    func namedError() throws {
        for (arguments, code) in [
            (["maps", "--bpf-root", "/nowhere"], "noDatapath"), (["help", "errors", "nothing"], "notFound"),
            (["maps", "--no-such-flag"], "wrongUsage"),
            (["diff", "--manifests", "/nowhere", "--against", "/nowhere", "--node", "n"], "unusableManifests"),
        ] {
            let output = try CommandLineTests().run(arguments).output
            let last = output.split(separator: "\n").last ?? ""
            #expect(last == "  see docs/troubleshoot.md#\(code), or `swiftlet help errors \(code)`", "\(output)")
        }
    }

    @Test("swiftlet help errors CODE prints one")
    func oneError() throws {
        let text = try run("help", "errors", "alreadyruns")
        #expect(text.hasPrefix("alreadyRuns: ") && text.contains("\n  see:      docs/troubleshoot.md#alreadyRuns"))
        #expect(try run("help", "errors").contains("\nmissingRights "))
    }
}
