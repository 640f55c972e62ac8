import Foundation
import Reporting
import Testing

@Suite("The JSON of a report")
struct SchemaTests {
    private static let example = Scenario(
        folder: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Schema"))

    @Test("it is the expected one, with something for every key")
    func isExpected() throws {
        let json = try Self.example.report().json() + "\n"
        if ScenarioTests.rewrites { return try Self.example.write(json, to: "expected.json") }
        #expect(try Self.example.read("expected.json") == json)
    }

    @Test("it is the example in the documentation")
    func isDocumented() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/compile.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        #expect(text.contains("```json\n" + (try Self.example.read("expected.json")) + "```"))
    }

    @Test("it gives the same report back", arguments: Scenario.all)
    func survives(scenario: Scenario) throws {
        let report = try scenario.report()
        #expect(try JSONDecoder().decode(CompileReport.self, from: Data(report.json().utf8)) == report)
    }
}
