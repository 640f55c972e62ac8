import TestKit
import Testing

extension TranslationTests {
    @Suite("What we have sent on")
    struct SentOnTests {
        @Test("is left as it is where it departs, and is a packet like others where it arrives")
        func isMarked() throws {
            let lab = try CrowdLab()
            let own = Packet.tcp(Family.v4.node, CrowdLab.vip)
            #expect(try lab.run("swl_wire_out", own).action == .redirect)
            let marked = try lab.run("tst_sent_on_out", own)
            #expect(marked.action == .passOn)
            expectUntouched(marked.bytes, own.bytes)

            let request = Packet.tcp(Family.v4.outside(), CrowdLab.vip)
            let verdict = try lab.run("tst_sent_on_in", request)
            #expect(verdict.action == .redirect)
            #expect(try verdict.packet.destination == CrowdLab.endpoint)
            let stranger = Packet.tcp(Family.v4.outside(), Family.v4.stranger)
            #expect(try lab.run("tst_sent_on_in", stranger).action == .passOn, "without the mark")
        }
    }
}
