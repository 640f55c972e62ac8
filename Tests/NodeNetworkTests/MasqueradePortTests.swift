import NetworkLab
@testable import NodeNetwork
import Testing

@Suite struct MasqueradePortTests {
    private func range(_ first: UInt16, _ last: UInt16) throws -> PortRange { try #require(PortRange(first, last)) }

    @Test(
        "ports are those that neither the node's connections nor NodePorts use",
        arguments: [
            (32_768, 60_999, 30_000, 32_767, "1024-29999 61000-65535"),
            (32_768, 65_535, 30_000, 32_767, "1024-29999"),
            (1_024, 29_999, 30_000, 32_767, "32768-65535"),
            (15_000, 20_000, 30_000, 32_767, "1024-14999 20001-29999 32768-65535"),
            (31_000, 65_535, 30_000, 32_767, "1024-29999"),
            (1, 65_535, 30_000, 32_767, "1024-29999 32768-65535 (shared)"),
            (1_024, 65_535, 1, 2_000, "2001-65535 (shared)"),
            (1_024, 65_534, 30_000, 32_767, "65535"),
        ] as [(UInt16, UInt16, UInt16, UInt16, String)])
    func derived(first: UInt16, last: UInt16, low: UInt16, high: UInt16, expected: String) throws {
        let ports = MasqueradePorts(
            chosen: [], nodePorts: try range(low, high), local: LocalPorts(range: try range(first, last)))
        let text = ports.ranges.map(\.description).joined(separator: " ") + (ports.isShared ? " (shared)" : "")
        #expect(text == expected)
        #expect(ports.ranges.count <= MasqueradePorts.maxRanges)
    }

    @Test("what is chosen counts, and is shared if the node's connections have it too")
    func chosen() throws {
        let local = LocalPorts(range: try range(32_768, 60_999))
        let apart = MasqueradePorts(
            chosen: [try range(62_000, 62_999), try range(2_000, 2_999)], nodePorts: .usualNodePorts, local: local)
        #expect(apart.ranges == [try range(2_000, 2_999), try range(62_000, 62_999)])
        #expect(apart.count == 2_000 && !apart.isShared)
        let shared = MasqueradePorts(chosen: [try range(60_000, 62_999)], nodePorts: .usualNodePorts, local: local)
        #expect(shared.isShared)
    }
}

extension NetworkTests {
    @Suite struct LocalPortTests {
        @Test("NodePorts that the kernel may take for connections of the node are named, and reserved on request")
        func reserves() throws {
            let namespace = try NetworkNamespace("ports")
            func findings() throws -> [ForwardingSettings.Finding] {
                try namespace.run {
                    let selection = DeviceSelection(
                        of: NetworkSnapshot(), nodeAddresses: [], named: DevicePatterns(),
                        podInterfaces: DevicePatterns())
                    return try ForwardingSettings().findings(
                        for: selection, in: NetworkSnapshot(), .init(families: [], localSources: false))
                }
            }
            #expect(try findings() == [])
            try namespace.set("ipv4/ip_local_port_range", to: "1024 65535")
            try namespace.set("ipv4/ip_local_reserved_ports", to: "8080,9000-9100,31000-31999")
            let found = try findings()
            #expect(
                found.map { "\($0.severity): \($0)" } == [
                    """
                    risk: net.ipv4.ip_local_reserved_ports is 8080,9000-9100,31000-31999: \
                    net.ipv4.ip_local_port_range is 1024-65535, so that connections of the node may be given NodePorts \
                    (30000-32767) as their own ports; sysctl -w \
                    net.ipv4.ip_local_reserved_ports=8080,9000-9100,31000-31999,30000-32767
                    """
                ])
            try namespace.run { for finding in found { try ForwardingSettings().set(finding) } }
            #expect(try findings() == [])
            let local = try #require(try namespace.run { try SysctlTree().localPorts() })
            #expect(local.range == PortRange(1_024, 65_535))
            #expect(local.reserved.map(\.description) == ["8080", "9000-9100", "30000-32767"])
        }
    }
}
