import BPFLoader
import CDatapath
import Testing

extension TranslationTests {
    @Suite("Many clients")
    struct ManyClientsTests {
        @Test("with one port get as many ports of the node, and no two the same", arguments: [2_000, 45_000])
        func portsAreUnique(clients: Int) throws {
            let lab = try CrowdLab()
            try lab.arrive(clients)
            let entries = try lab.map("conntrack4").entries(key: flow4_key.self, value: flow4.self)
            let requests = entries.filter { $0.value.reply == 0 }
            let begun = try lab.count(of: COUNT_FLOW_BEGUN)
            let refused = try lab.count(of: COUNT_REFUSE_NO_PORT)
            #expect(begun + refused == clients)
            // What every client has at first, and the upper half of all ports.
            #expect(begun <= 32_769)
            #expect(clients > 32_769 ? refused >= UInt64(clients) - 32_769 : refused == 0)
            #expect(requests.count == Int(begun) && entries.count == 2 * Int(begun))
            #expect(Set(requests.map(\.value.source_port)).count == requests.count)
            #expect(try lab.count(of: COUNT_ANSWER_RESET) == refused)
        }
    }
}
