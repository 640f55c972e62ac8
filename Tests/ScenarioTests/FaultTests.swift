import Foundation
import Reporting
import ServiceModel
import Testing

/// Each of the faults is answered with what is to be changed. `SWIFTLET_RECORD_FAULTS=1` writes what is said now.
@Suite("explain: the faults")
struct FaultTests {
    @Test("the last line names what is wrong and what to do", arguments: Fault.all)
    func lastLine(fault: Fault) throws {
        let explanation = try fault.explanation()
        let said = explanation.lastLine.replacingOccurrences(of: fault.folder.path + "/", with: "") + "\n"
        if ProcessInfo.processInfo.environment["SWIFTLET_RECORD_FAULTS"] != nil {
            try said.write(to: fault.folder.appendingPathComponent("expected.txt"), atomically: true, encoding: .utf8)
        }
        #expect(try said == fault.read("expected.txt"), "\(explanation.text)")
    }

    @Test("all of them are there, and each reason is of the catalogue")
    func complete() throws {
        #expect(Fault.all.count == 186)
        for fault in Fault.all {
            let explanation = try fault.explanation()
            let code = try #require(ReasonCode(rawValue: explanation.verdict.code))
            #expect(explanation.works == [.works, .fallback, .keptFromBefore].contains(code))
            #expect(!explanation.verdict.object.isEmpty)
            #expect(explanation.verdict.docs == code.docs)
            #expect(explanation.text.contains("\n   see docs/troubleshoot.md#\(code.rawValue), or") == (code != .works))
        }
    }
}
