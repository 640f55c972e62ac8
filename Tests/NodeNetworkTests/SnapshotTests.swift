import Netlink
@testable import NodeNetwork
import NetworkLab
import ServiceModel
import SystemPackage
import Testing

extension NetworkTests {
    @Suite struct SnapshotTests {
        @Test("links are described as ip shows them")
        func links() throws {
            let wire = try Wire()
            try wire.near.ip(lines: [
                "tuntap add tun0 mode tun", "link add br0 type bridge", "link set eth0 master br0 mtu 1400",
            ])
            let snapshot = try wire.snapshot()
            let loopback = try #require(snapshot.link(named: "lo"))
            #expect(loopback.isLoopback && loopback.isUp && !loopback.hasEthernetHeader)
            let bridge = try #require(snapshot.link(named: "br0"))
            #expect(bridge.kind == "bridge" && !bridge.isUp && bridge.master == nil)
            let device = try #require(snapshot.link(named: "eth0"))
            #expect(device.kind == "veth" && device.portKind == "bridge" && device.master == bridge.index)
            #expect(device.isUp && device.hasEthernetHeader && device.mtu == 1400 && !device.isLoopback)
            let tunnel = try #require(snapshot.link(named: "tun0"))
            #expect(tunnel.kind == "tun" && !tunnel.hasEthernetHeader)
            #expect(snapshot.link(device.index) == device)
            #expect(snapshot.links.map(\.index) == snapshot.links.map(\.index).sorted())
        }

        @Test("addresses come with prefix, scope and flags")
        func addresses() throws {
            let wire = try Wire()
            try wire.near.ip(lines: [
                "address add 10.1.0.1/24 dev eth0", "address add 10.1.0.2/24 dev eth0",
                "address add 10.2.0.1 peer 10.2.0.9 dev eth0 scope link",
                "address add fd00::1/64 dev eth0 nodad", "address add fd00::2/64 dev eth0 nodad preferred_lft 0",
            ])
            let snapshot = try wire.snapshot()
            func found(_ text: String) throws -> LinkAddress {
                try #require(snapshot.addresses.first { "\($0.address)" == text })
            }
            let first = try found("10.1.0.1")
            #expect(first.prefixLength == 24 && first.scope == .global && !first.isSecondary && first.isUsable)
            #expect(first.link == snapshot.link(named: "eth0")?.index && first.family == .v4)
            #expect(try found("10.1.0.2").isSecondary)
            // Our end, not the other one.
            #expect(try found("10.2.0.1").scope == .link)
            #expect(!snapshot.addresses.contains { "\($0.address)" == "10.2.0.9" })
            #expect(try !found("fd00::1").isDeprecated)
            let deprecated = try found("fd00::2")
            #expect(deprecated.isDeprecated && deprecated.isUsable && deprecated.prefixLength == 64)
            #expect(try found("127.0.0.1").scope == .host)
        }

        @Test("usable are all addresses but the tentative and the link-local ones, loopback included")
        func usable() throws {
            let wire = try Wire()
            // Duplicate address detection that lasts longer than the test.
            try wire.near.set("ipv6/conf/eth0/dad_transmits", to: "100")
            try wire.near.ip(lines: [
                "address add 10.1.0.1/24 dev eth0", "address add 169.254.20.10/32 dev eth0",
                "address add fd00::1/64 dev eth0 nodad", "address add fd00::2/64 dev eth0",
                "address add fe80::9/64 dev eth0 nodad",
            ])
            let snapshot = try wire.snapshot()
            #expect(snapshot.usableAddresses.map { "\($0)" } == ["10.1.0.1", "127.0.0.1", "::1", "fd00::1"])
            #expect(snapshot.addresses.filter(\.isTentative).map { "\($0.address)" }.contains("fd00::2"))
        }

        @Test("an address that somebody else has never counts")
        func duplicate() throws {
            let wire = try Wire()
            try wire.far.addAddress("fd00::1/64", to: "eth0")
            try wire.near.ip("address", "add", "fd00::1/64", "dev", "eth0")
            #expect(try eventually { try wire.near.ip("address", "show", "dev", "eth0").contains("dadfailed") })
            let snapshot = try wire.snapshot()
            #expect(snapshot.addresses.contains { "\($0.address)" == "fd00::1" && !$0.isUsable })
        }

        @Test("default routes of the main table count, once for each link and family")
        func defaults() throws {
            let wire = try Wire()
            try wire.near.connect("eth1", to: wire.far, "eth1")
            try wire.near.ip(lines: [
                "address add 10.1.0.1/24 dev eth0", "address add 10.2.0.1/24 dev eth1",
                "address add fd00:1::1/64 dev eth0 nodad", "address add fd00:2::1/64 dev eth1 nodad",
                "route add 192.0.2.0/24 via 10.1.0.9", "route add default via 10.1.0.9 table 77",
                "route add unreachable default metric 9999",
            ])
            #expect(try wire.snapshot().defaults == [])
            try wire.near.ip(lines: [
                "route add default nexthop via 10.1.0.9 nexthop via 10.2.0.9",
                "route add default via 10.1.0.8 metric 50", "route add default via fd00:2::9",
            ])
            #expect(try wire.snapshot().defaults == ["eth0 v4", "eth1 v4", "eth1 v6"])
        }

        @Test("what the kernel refuses is an error that names the object")
        func refusal() throws {
            let socket = try NetlinkSocket()
            let error = #expect(throws: NetworkError.self) {
                _ = try socket.ask(NetlinkRequest(4095, UInt32(0)), for: "what there is not") { _ in }
            }
            #expect(error?.cause == .notSupportedOnSocket)
            #expect(error?.description.hasPrefix("cannot read what there is not: operation not supported") == true)
            #expect(
                NetworkError(.open, "a netlink socket", .tooManyOpenFiles).description
                    == "cannot open a netlink socket: too many open files; raise the limit of open files")
            // The socket is as good as before.
            #expect(try !NetworkSnapshot.read(from: socket, .success(IPsecSocket())).links.isEmpty)
        }
    }
}
