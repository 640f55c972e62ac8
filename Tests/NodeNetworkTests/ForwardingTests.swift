import Netlink
import NetworkLab
import NodeNetwork
import ServiceModel
import SystemPackage
import Testing

extension NetworkTests {
    @Suite struct ForwardingTests {
        typealias Settings = ForwardingSettings

        /// eth0 with a default route of each family, chosen; all settings as they should be.
        struct Router: ~Copyable {
            let wire: Wire

            init() throws {
                let wire = try Wire()
                try wire.near.ip(lines: [
                    "address add 10.1.0.1/24 dev eth0", "address add fd00::1/64 dev eth0 nodad",
                    "route add default via 10.1.0.9", "route add default via fd00::9",
                ])
                for (setting, value) in [
                    ("ipv4/ip_forward", "1"), ("ipv6/conf/eth0/accept_ra", "2"), ("ipv6/conf/all/forwarding", "1"),
                    ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/eth0/rp_filter", "0"),
                    ("ipv4/conf/eth0/accept_local", "1"),
                ] { try wire.near.set(setting, to: value) }
                self.wire = wire
            }

            func findings(
                _ families: Set<IPFamily> = [.v4, .v6], localSources: Bool = true, root: String = "/proc/sys"
            ) throws -> [Settings.Finding] {
                try wire.near.run {
                    let network = try NetworkSnapshot.read()
                    let devices = DeviceSelection(
                        of: network, nodeAddresses: [], named: DevicePatterns(), podInterfaces: DevicePatterns())
                    return try Settings(SysctlTree(root: root)).findings(
                        for: devices, in: network, .init(families: families, localSources: localSources))
                }
            }
        }

        @Test("a node whose settings are right has no findings")
        func right() throws {
            let router = try Router()
            #expect(try router.findings() == [])
        }

        @Test(
            "a setting that is in the way is named, and put right on request",
            arguments: [
                (
                    "ipv4/ip_forward", "0",
                    """
                    problem: net.ipv4.ip_forward is 0: IPv4 packets to pods and other nodes end here; \
                    sysctl -w net.ipv4.ip_forward=1
                    """
                ),
                (
                    "ipv6/conf/all/forwarding", "0",
                    """
                    problem: net.ipv6.conf.all.forwarding is 0: IPv6 packets to pods and other nodes end here; \
                    sysctl -w net.ipv6.conf.all.forwarding=1
                    """
                ),
                (
                    "ipv6/conf/eth0/accept_ra", "1",
                    """
                    risk: net.ipv6.conf.eth0.accept_ra is 1: the default route, if it was learned from a router, ends \
                    once IPv6 is forwarded; sysctl -w net.ipv6.conf.eth0.accept_ra=2
                    """
                ),
                (
                    "ipv4/conf/all/rp_filter", "1",
                    """
                    problem: net.ipv4.conf.eth0.rp_filter is 1: packets whose source was translated to an address of \
                    this node are dropped; sysctl -w net.ipv4.conf.eth0.rp_filter=2
                    """
                ),
                (
                    "ipv4/conf/eth0/accept_local", "0",
                    """
                    problem: net.ipv4.conf.eth0.accept_local is 0: packets whose source was translated to an address \
                    of this node are dropped; sysctl -w net.ipv4.conf.eth0.accept_local=1
                    """
                ),
            ])
        func found(setting: String, value: String, expected: String) throws {
            let router = try Router()
            try router.wire.near.set(setting, to: value)
            let findings = try router.findings()
            #expect(findings.map { "\($0.severity): \($0)" } == [expected])
            try router.wire.near.run { for finding in findings { try Settings().set(finding) } }
            #expect(try router.findings() == [])
        }

        @Test("without translated sources, a strict reverse path filter is a risk and local sources do not matter")
        func noLocalSources() throws {
            let router = try Router()
            try router.wire.near.set("ipv4/conf/eth0/rp_filter", to: "1")
            try router.wire.near.set("ipv4/conf/eth0/accept_local", to: "0")
            let findings = try router.findings(localSources: false)
            #expect(findings.map(\.severity) == [.risk])
            #expect(findings.map(\.setting.name) == ["net.ipv4.conf.eth0.rp_filter"])
        }

        @Test("what holds for all devices suffices: loose filtering, and local sources")
        func allDevices() throws {
            let router = try Router()
            try router.wire.near.set("ipv4/conf/all/rp_filter", to: "2")
            try router.wire.near.set("ipv4/conf/eth0/rp_filter", to: "1")
            try router.wire.near.set("ipv4/conf/all/accept_local", to: "1")
            try router.wire.near.set("ipv4/conf/eth0/accept_local", to: "0")
            #expect(try router.findings() == [])
        }

        @Test("a family that no Service has is not looked at")
        func families() throws {
            let router = try Router()
            try router.wire.near.set("ipv4/ip_forward", to: "0")
            try router.wire.near.set("ipv6/conf/all/forwarding", to: "0")
            #expect(try router.findings([.v4]).map(\.setting.name) == ["net.ipv4.ip_forward"])
            #expect(try router.findings([.v6]).map(\.setting.name) == ["net.ipv6.conf.all.forwarding"])
        }

        @Test("router advertisements are let in before forwarding begins")
        func order() throws {
            let router = try Router()
            try router.wire.near.set("ipv6/conf/eth0/accept_ra", to: "1")
            try router.wire.near.set("ipv6/conf/all/forwarding", to: "0")
            let findings = try router.findings([.v6])
            #expect(
                findings.map(\.setting.name) == ["net.ipv6.conf.eth0.accept_ra", "net.ipv6.conf.all.forwarding"])
        }

        @Test("a kernel without a setting, as one without IPv6, has no finding about it")
        func absent() throws {
            let router = try Router()
            #expect(try router.findings(root: "/proc/sys/kernel") == [])
        }

        @Test("a device with a dot in its name is named as sysctl takes it, and one that is gone is said")
        func names() throws {
            let router = try Router()
            try router.wire.near.ip(lines: [
                "link set eth0 down", "link set eth0 name eth0.7", "link set eth0.7 up",
                "route add default via 10.1.0.9",
            ])
            try router.wire.near.set("ipv4/conf/eth0.7/accept_local", to: "0")
            let finding = try #require(try router.findings([.v4]).first)
            #expect(finding.description.hasSuffix("; sysctl -w net.ipv4.conf.eth0/7.accept_local=1"))
            try router.wire.near.ip("link", "delete", "eth0.7")
            let error = #expect(throws: NetworkError.self) {
                try router.wire.near.run { try Settings().set(finding) }
            }
            #expect(
                error?.description
                    == "cannot set net.ipv4.conf.eth0/7.accept_local to 1: no such file or directory")
        }
    }
}
