import Foundation
import Reporting
import Testing

@Suite("Scenarios")
struct ScenarioTests {
    /// Set: `expected.txt` is written and not compared. Read the difference against the rule before you commit it.
    static let rewrites = ProcessInfo.processInfo.environment["SWIFTLET_REWRITE_SCENARIOS"] != nil

    @Test("the report is the expected one", arguments: Scenario.all)
    func compiles(scenario: Scenario) throws {
        let text = try scenario.report().text + "\n"
        if Self.rewrites { return try scenario.write(text, to: "expected.txt") }
        let mismatch = firstDifference(between: try scenario.read("expected.txt"), and: text)
        if let mismatch { Issue.record("\(scenario.name)/expected.txt:\(mismatch)") }
    }

    @Test("the order of the objects does not matter", arguments: Scenario.all)
    func anyOrder(scenario: Scenario) throws {
        let report = try scenario.report()
        #expect(try scenario.report { $0.reversed() } == report)
        #expect(try scenario.report { Array($0.dropFirst() + $0.prefix(1)) } == report)
    }

    @Test("there is a scenario for every rule that the model decides")
    func complete() {
        let decided = Set(1...9).union(11...27).union([29, 32, 33, 34, 35, 36, 39])
        let shown = Set(Scenario.all.compactMap { Int($0.name.split(separator: "-")[1]) })
        #expect(decided.subtracting(shown).sorted() == [])
    }

    /// `7: expected …, got …`; nil if the texts are the same.
    private func firstDifference(between expected: String, and text: String) -> String? {
        let lines = (expected: expected.components(separatedBy: "\n"), text: text.components(separatedBy: "\n"))
        for index in 0..<max(lines.expected.count, lines.text.count) {
            let pair = [lines.expected, lines.text].map { $0.indices.contains(index) ? $0[index] : "(no line)" }
            if pair[0] != pair[1] { return "\(index + 1): expected\n  \(pair[0])\ngot\n  \(pair[1])" }
        }
        return nil
    }
}
