import BPFLoader
import CDatapath
import Testing

extension TranslationTests {
    @Suite("Many clients")
    struct ManyClientsTests {
        /// Out of the ports that masquerade first, and then out of all: as many as kube-proxy has (spec 52).
        @Test("with one port get as many ports of the node, and no two the same", arguments: [2_000, 45_000, 58_000])
        func portsAreUnique(clients: Int) throws {
            let lab = try CrowdLab()
            try lab.arrive(clients)
            let flows = try lab.map("flows4").values(in: 0..<UInt32(CrowdLab.flows), as: flow4.self)
                .filter { $0.state != FLOW_FREE }
            #expect(try lab.count(of: COUNT_REFUSE_NO_PORT) == 0)
            #expect(try lab.count(of: COUNT_FLOW_BEGUN) == clients)
            #expect(flows.count == clients)
            #expect(Set(flows.map(\.node_port)).count == flows.count)
            #expect(!flows.contains { $0.node_port < 1_024 })
        }
    }
}
