import Foundation
import Testing

@testable import ServiceMaps

@Suite("The steps of a write")
struct WriteStepTests {
    @Test("no stage begins before the one ahead of it has ended")
    func stages() {
        let order: [WriteStep.Stage] = [.portion, .round, .afterGrace]
        #expect(order.flatMap { stage in WriteStep.allCases.filter { $0.stage == stage } } == WriteStep.allCases)
    }

    @Test("docs/architecture.md has the same steps in the same order")
    func documented() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/architecture.md"), encoding: .utf8)
        let table = try #require(page.split(separator: "| step | what | why it is safe here |").last)
        let rows = table.split(separator: "\n\n").first?.matches(of: #/\n\| `(\w+)` \|/#) ?? []
        #expect(rows.map { String($0.1) } == WriteStep.allCases.map { "\($0)" })
    }
}
