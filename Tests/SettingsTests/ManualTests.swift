import Foundation
import NetworkLab
import Testing

@testable import Settings
@testable import swiftlet

private let man = ["/usr/bin/man", "/bin/man"].first { FileManager.default.isExecutableFile(atPath: $0) }

/// The man pages that scripts/man-pages.py makes, as the package has them.
@Suite("man pages", .enabled(if: man != nil, "needs man (man-db)"))
struct ManualTests {
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("scripts/man-pages.py").path

    private func run(_ arguments: [String]) throws -> String {
        var child = try ChildProcess(arguments, output: .pipe, errors: .merged)
        let output = try child.readToEnd(within: 60_000)
        #expect(try child.wait() == .exited(0), "\(output)")
        return output
    }

    @Test("man reads each without a warning, and the file's page has every key once")
    func pages() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("swl-man-\(getpid())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        _ = try run([Self.script, CommandLineTests.swiftlet, directory])
        let pages = try FileManager.default.subpathsOfDirectory(atPath: directory).filter { $0.contains(".") }
        #expect(pages.count > 20)
        let man = try #require(man)
        // What man would print goes nowhere: what is left are warnings.
        let read = "for page in \(directory)/*/*; do \(man) --warnings=w -E UTF-8 -l -Tutf8 -Z $page >/dev/null; done"
        #expect(try run(["/bin/sh", "-c", read]) == "")

        let file = try String(contentsOfFile: directory + "/man5/swiftlet.yaml.5", encoding: .utf8)
        let keys = file.matches(of: /\n\.TP\n\\fB(\w+)\\fR/).map { String($0.1) }
        #expect(keys.sorted() == Setting.keys.sorted())
    }
}
