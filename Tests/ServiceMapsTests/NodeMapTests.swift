import BPFLoader
import CDatapath
import ServiceModel
import Testing

@testable import ServiceMaps

@Suite("Maps about the node", .serialized, .enabled(if: KernelMaps.canBeCreated, "needs CAP_BPF"))
struct NodeMapTests {
    /// What the programs would find.
    private struct Reader: ~Copyable {
        let ports: BPFMap
        let sources4: BPFMap
        let sources6: BPFMap
        let ipsec4: BPFMap
        let ipsec6: BPFMap
        let writer: NodeMaps

        init() throws {
            func make(_ map: ServiceMap) throws(BPFError) -> BPFMap {
                try KernelMaps.make(map, capacity: Int(MapCapacities(possibleCPUs: 1)[map] ?? 1))
            }
            let sources4 = try make(.nodeSources4)
            let sources6 = try make(.nodeSources6)
            let ipsec4 = try make(.ipsec4)
            let ipsec6 = try make(.ipsec6)
            let ports = try make(.masqueradePorts)
            let numbers: [ServiceMap: UInt32] = [
                .masqueradePorts: try ports.info.id, .nodeSources4: try sources4.info.id,
                .nodeSources6: try sources6.info.id, .ipsec4: try ipsec4.info.id, .ipsec6: try ipsec6.info.id,
            ]
            let writer = try NodeMaps { map throws(BPFError) in try BPFMap(id: numbers[map] ?? 0) }
            self.sources4 = sources4
            self.sources6 = sources6
            self.ipsec4 = ipsec4
            self.ipsec6 = ipsec6
            self.ports = ports
            self.writer = writer
        }

        func source(to text: String, by device: UInt32) throws -> String? {
            let address = try #require(IPAddress(text))
            guard let range = CIDR(network: address, prefixLength: address.family.bitWidth) else { return nil }
            return switch address.family {
            case .v4:
                try sources4.lookup(node_source4_key(range, by: device), as: node_source4.self)
                    .map { "\($0.ipAddress)" }
            case .v6:
                try sources6.lookup(node_source6_key(range, by: device), as: node_source6.self)
                    .map { "\($0.ipAddress)" }
            }
        }

        func isClosed(_ text: String) throws -> Bool {
            let address = try #require(IPAddress(text))
            guard let range = CIDR(network: address, prefixLength: address.family.bitWidth) else { return false }
            return switch address.family {
            case .v4: try ipsec4.lookup(ipsec4_key(range), as: ipsec_policy.self)?.applies == 1
            case .v6: try ipsec6.lookup(ipsec6_key(range), as: ipsec_policy.self)?.applies == 1
            }
        }
    }

    private func source(_ device: UInt32, _ range: String, _ address: String) throws -> NodeMapEntries.Source {
        NodeMapEntries.Source(
            device: device, range: try #require(CIDR(range)), address: try #require(IPAddress(address)))
    }

    @Test("what is written is found by the longest prefix, for its device, and what is written no more is gone")
    func writes() throws {
        let maps = try Reader()
        try maps.writer.write(
            NodeMapEntries(
                masqueradePorts: [1_024...29_999, 61_000...65_535],
                sources: [
                    source(2, "0.0.0.0/0", "10.0.0.1"), source(2, "10.2.0.0/16", "10.2.0.1"),
                    source(3, "10.2.0.0/16", "10.3.0.1"), source(2, "fd00::/8", "fd00::1"),
                ],
                closedRanges: ["10.7.0.0/16", "fd07::/16"].compactMap { CIDR($0) }))
        #expect(try maps.source(to: "10.2.3.4", by: 2) == "10.2.0.1")
        #expect(try maps.source(to: "10.2.3.4", by: 3) == "10.3.0.1")
        #expect(try maps.source(to: "192.0.2.1", by: 2) == "10.0.0.1")
        #expect(try maps.source(to: "192.0.2.1", by: 3) == nil)
        #expect(try maps.source(to: "fd12::1", by: 2) == "fd00::1")
        #expect(try maps.isClosed("10.7.8.9") && maps.isClosed("fd07::1") && !maps.isClosed("10.8.0.1"))
        let ports = try #require(try maps.ports.lookup(UInt32(0), as: masq_ports.self))
        #expect(ports.count == 28_976 + 4_536)
        #expect(ports.range.0.first == 1_024 && ports.range.1.last == 65_535 && ports.range.2.last == 0)
        #expect(ports.answerRanges == [1_024...29_999, 61_000...65_535])

        try maps.writer.write(
            NodeMapEntries(sources: [source(2, "10.2.0.0/16", "10.2.0.9")], closedRanges: []))
        #expect(try maps.source(to: "10.2.3.4", by: 2) == "10.2.0.9" && maps.source(to: "10.2.3.4", by: 3) == nil)
        #expect(try !maps.isClosed("10.7.8.9"))
    }

    /// Flows that began before keep their ports.
    @Test("answers are looked for at all ports that flows were ever given")
    func keepsAnswers() throws {
        let maps = try Reader()
        func write(_ ranges: ClosedRange<UInt16>...) throws -> masq_ports {
            try maps.writer.write(NodeMapEntries(masqueradePorts: ranges))
            return try #require(try maps.ports.lookup(UInt32(0), as: masq_ports.self))
        }
        _ = try write(1_024...29_999, 61_000...65_535)
        let grown = try write(2_000...2_999, 40_000...40_999)
        #expect(grown.count == 2_000 && grown.range.0.first == 2_000 && grown.range.1.last == 40_999)
        #expect(grown.answerRanges == [1_024...29_999, 40_000...40_999, 61_000...65_535])
        // With more than four the narrowest gaps are closed.
        let many = try write(32_000...32_999, 34_000...34_999, 36_000...36_999)
        #expect(many.answerRanges == [1_024...29_999, 32_000...36_999, 40_000...40_999, 61_000...65_535])
        #expect(try write(1...65_535).answerRanges == [1...65_535])
    }

    @Test("more closed ranges than there is room for close everything")
    func manyRanges() throws {
        let maps = try Reader()
        let ranges = (0...Int(LB_IPSEC_RANGES)).compactMap { CIDR("10.\($0 / 256).\($0 % 256).0/24") }
        try maps.writer.write(NodeMapEntries(closedRanges: ranges))
        #expect(try maps.isClosed("192.0.2.1") && !maps.isClosed("fd00::1"))
    }
}
