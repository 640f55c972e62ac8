import NodeNetwork
import ServiceModel
import Testing

/// The kernel's rules without a kernel: what the tests in a namespace cannot bring about at will.
@Suite struct SourceRuleTests {
    private let link = LinkIndex(rawValue: 2)

    private func address(
        _ text: String, _ length: UInt8, scope: RouteScope = .global, tentative: Bool = false, deprecated: Bool = false,
        secondary: Bool = false, on number: UInt32 = 2
    ) throws -> LinkAddress {
        LinkAddress(
            link: LinkIndex(rawValue: number), address: try #require(IPAddress(text)), prefixLength: length,
            scope: scope, isTentative: tentative, isDeprecated: deprecated, isSecondary: secondary)
    }

    private func source(to destination: String, _ addresses: [LinkAddress]) throws -> String {
        let sources = NetworkSnapshot(addresses: addresses).sources(by: [link])[link]
        let found = sources?.address(towards: try #require(IPAddress(destination)))
        return found.map { "\($0)" } ?? "none"
    }

    @Test("an address that is tentative, deprecated, temporary or nearer is the worse one, whatever its place")
    func worse() throws {
        let good = try address("2001:db8:1::5", 64)
        for bad in [
            try address("2001:db8:2::5", 64, tentative: true), try address("2001:db8:2::5", 64, deprecated: true),
            try address("2001:db8:2::5", 64, secondary: true), try address("fe80::5", 64, scope: .link),
            try address("2001:db8:2::5", 64, on: 3),
        ] {
            #expect(try source(to: "2001:db8:2::77", [good, bad]) == "2001:db8:1::5", "\(bad)")
            #expect(try source(to: "2001:db8:2::77", [bad, good]) == "2001:db8:1::5", "\(bad)")
        }
    }

    @Test("an IPv4 address of another device counts where the device has none, but none for one link or one host")
    func borrowed() throws {
        let others = [
            try address("127.0.0.1", 8, scope: .host, on: 1), try address("169.254.1.1", 16, scope: .link, on: 3),
            try address("10.0.0.2", 24, secondary: true, on: 4), try address("10.0.0.1", 24, on: 5),
        ]
        #expect(try source(to: "192.0.2.1", others) == "10.0.0.1")
        #expect(try source(to: "192.0.2.1", []) == "none")
        #expect(try source(to: "2001:db8::1", []) == "none")
    }
}
