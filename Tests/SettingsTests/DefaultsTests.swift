import Foundation
import Testing

/// What docs/reference.md and `swiftlet run --help` say of defaults, against what a run without flags has.
@Suite("defaults")
struct DefaultsTests {
    /// The effective configuration by the last part of each key, in words: `["auto"]` is `auto`, and `[]` nothing.
    private func inForce() throws -> [String: String] {
        var values: [String: String] = [:]
        for line in try CommandLineTests().effective([]).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let key = parts[0].trimmingCharacters(in: .whitespaces)
            values[key] = parts[1].filter { !"[]{}\" ".contains($0) }
        }
        return values
    }

    /// `2m`, `120s` and `0h2m0s` are one value.
    private func normal(_ value: String) -> String {
        let plain = value.replacingOccurrences(of: "−", with: "-").replacingOccurrences(of: ",", with: "")
        guard let span = plain.wholeMatch(of: /(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?/), !plain.isEmpty else { return plain }
        let (hours, minutes, seconds) = (span.1, span.2, span.3)
        func number(_ digits: Substring?) -> Int { digits.flatMap { Int($0) } ?? 0 }
        return "\(number(hours) * 3_600 + number(minutes) * 60 + number(seconds))s"
    }

    /// Rows `| flag | key | in KubeProxyConfiguration | default |` whose default is one value, not a sentence.
    @Test("the page's table of settings has them")
    func page() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/reference.md"), encoding: .utf8)
        let values = try inForce()
        var compared = 0
        for line in page.split(separator: "\n") where line.hasPrefix("| `--") {
            let cells = line.replacingOccurrences(of: #"\|"#, with: "/").split(separator: "|").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard cells.count == 4 else { continue }
            let keys = (cells[1] + cells[2]).matches(of: /`([A-Za-z.]+)`/).compactMap {
                $0.1.split(separator: ".").last
            }
            let stated = cells[3].split(separator: ";")[0].filter { $0 != "`" }
            guard let found = keys.compactMap({ values[String($0)] }).first, !stated.contains(" ") else { continue }
            compared += 1
            #expect(normal(found) == (stated == "none" ? "" : normal(stated)), "\(cells[0])")
        }
        #expect(compared > 30, "a page whose table is not found would agree with everything")
    }

    /// Flags with `(default: X)` in their words, and the key that has the flag's name.
    @Test("the command's help has them")
    func help() throws {
        let words = try CommandLineTests().run(["run", "--help"]).output.split(whereSeparator: \.isWhitespace)
            .joined(separator: " ")
        let values = try inForce()
        let names = Dictionary(
            values.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
        var compared = 0
        for entry in words.split(separator: " --") {
            guard let stated = entry.firstMatch(of: /\(default: ([^;)]+)/)?.1 else { continue }
            let flag = entry.prefix { !" ,".contains($0) }
            let key = flag.filter { $0 != "-" }
            let found = names[key] ?? names[key.replacing("conntrack", with: "")]
            guard let found, !stated.contains(" "), stated != "none" else { continue }
            compared += 1
            #expect(normal(found) == normal(String(stated)), "--\(flag)")
        }
        #expect(compared > 15, "\(compared) flags were compared")
    }
}
