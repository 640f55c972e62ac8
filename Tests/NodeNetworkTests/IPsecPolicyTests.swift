import NetworkLab
import NodeNetwork
import ServiceModel
import Testing

@Suite struct IPsecRuleTests {
    private func policy(
        _ source: String, _ destination: String, _ action: IPsecPolicy.Action, priority: UInt32 = 0,
        narrow: Bool = false
    ) throws -> IPsecPolicy {
        IPsecPolicy(
            source: try #require(CIDR(source)), destination: try #require(CIDR(destination)), action: action,
            priority: priority, isNarrow: narrow)
    }

    private func closed(_ policies: [IPsecPolicy]) -> [String] {
        policies.closedRanges(for: ["192.0.2.1", "2001:db8::1"].compactMap { IPAddress($0) }).map(\.description)
    }

    @Test("what blocks or encrypts packets of this node closes its destination; ports do not matter")
    func closes() throws {
        #expect(
            closed([
                try policy("0.0.0.0/0", "10.1.0.0/16", .block), try policy("192.0.2.0/24", "10.2.0.0/16", .protect),
                try policy("192.0.2.1/32", "10.3.0.0/16", .protect, narrow: true),
                try policy("::/0", "fd00::/16", .block),
                // About others, or about nothing.
                try policy("198.51.100.0/24", "10.4.0.0/16", .block), try policy("0.0.0.0/0", "10.5.0.0/16", .pass),
            ]) == ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "fd00::/16"])
    }

    @Test("a policy that the kernel never comes to closes nothing")
    func overruled() throws {
        let pass = try policy("0.0.0.0/0", "10.1.0.0/16", .pass, priority: 1)
        #expect(closed([pass, try policy("0.0.0.0/0", "10.1.2.0/24", .block, priority: 2)]) == [])
        #expect(closed([pass, try policy("0.0.0.0/0", "10.1.2.0/24", .block, priority: 1)]) == ["10.1.2.0/24"])
        #expect(closed([pass, try policy("0.0.0.0/0", "10.0.0.0/8", .block, priority: 2)]) == ["10.0.0.0/8"])
        let narrow = try policy("0.0.0.0/0", "10.1.0.0/16", .pass, priority: 1, narrow: true)
        #expect(closed([narrow, try policy("0.0.0.0/0", "10.1.2.0/24", .block, priority: 2)]) == ["10.1.2.0/24"])
        let others = try policy("198.51.100.0/24", "10.1.0.0/16", .pass, priority: 1)
        #expect(closed([others, try policy("0.0.0.0/0", "10.1.2.0/24", .block, priority: 2)]) == ["10.1.2.0/24"])
    }
}

extension NetworkTests {
    @Suite struct IPsecPolicyTests {
        private static let template = "tmpl src 10.1.0.1 dst 10.1.0.9 proto esp mode tunnel reqid 1"

        @Test("the kernel's policies are read: what leaves and what passes, blocking and encrypting")
        func read() throws {
            let wire = try Wire()
            try wire.near.addAddress("10.1.0.1/24", to: "eth0")
            try wire.near.ip(
                lines: [
                    "src 0.0.0.0/0 dst 10.7.0.0/16 dir out action block priority 7",
                    "src 10.1.0.1/32 dst 10.8.0.0/16 proto tcp dport 80 dir out \(Self.template)",
                    "src 0.0.0.0/0 dst 10.9.0.0/16 dir fwd action block",
                    "src ::/0 dst fd07::/16 dir out action block",
                    "src 0.0.0.0/0 dst 10.10.0.0/16 dir out action allow",
                    "src 0.0.0.0/0 dst 10.11.0.0/16 dir in action block",
                ].map { "xfrm policy add \($0)" })
            let snapshot = try wire.snapshot()
            #expect(snapshot.unreadablePolicies == nil)
            #expect(
                snapshot.policies.map { "\($0.source) > \($0.destination) \($0.action.rawValue) \($0.isNarrow)" }
                    .sorted()
                    == [
                        "0.0.0.0/0 > 10.10.0.0/16 pass false", "0.0.0.0/0 > 10.7.0.0/16 block false",
                        "0.0.0.0/0 > 10.9.0.0/16 block true", "10.1.0.1/32 > 10.8.0.0/16 protect true",
                        "::/0 > fd07::/16 block false",
                    ])
            #expect(
                snapshot.closedRanges.map(\.description) == [
                    "10.7.0.0/16", "10.8.0.0/16", "10.9.0.0/16", "fd07::/16",
                ])
        }

        @Test("a policy is seen when it comes and when it goes")
        func follows() async throws {
            let wire = try Wire()
            try wire.near.addAddress("10.1.0.1/24", to: "eth0")
            var snapshots = try wire.monitor().snapshots().makeAsyncIterator()
            let selector = "src 0.0.0.0/0 dst 10.7.0.0/16 dir out"
            try wire.near.ip(lines: ["xfrm policy add \(selector) action block"])
            #expect(try await snapshots.first { $0.closedRanges.map(\.description) == ["10.7.0.0/16"] } != nil)
            try wire.near.ip(lines: ["xfrm policy delete \(selector)"])
            #expect(try await snapshots.first { $0.closedRanges.isEmpty } != nil)
        }
    }
}
