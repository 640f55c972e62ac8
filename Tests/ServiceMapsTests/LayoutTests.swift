import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

@Suite("Layout of the map ABI")
struct LayoutTests {
    @Test("addresses are bytes as written, integers in host order")
    func readable() {
        let key = FrontendKey(address: IPAddress(v4: 0x0A60_000F), port: RandomCluster.port(80), proto: .udp)
        #expect(bytes(service4_key(key)) == [10, 96, 0, 15] + bytes(UInt16(80)) + [17, 0])
        let address = IPAddress(v6: 0x2001_0DB8_0000_0000, 0x0000_0000_0000_0102)
        #expect(bytes(vip6_key(address)) == [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2])
        #expect(vip6_key(address).ipAddress == address)
    }

    @Test("a frontend survives the way through its entry", arguments: RandomCluster.frontends)
    func services(key: FrontendKey) {
        for action in [DesiredFrontend.Action.balance, .reject, .drop] {
            for policy in [Service.TrafficPolicy.cluster, .local] {
                let entry = ServiceEntry(
                    service: ServiceID(7), run: SlotRun(first: 9, count: 3), affinitySeconds: 10_800, kind: .nodePort,
                    action: action, policy: policy, hostOnly: true, hasOutside: policy == .local,
                    isRestricted: policy == .local, allowsHost: action == .drop)
                if key.address.family == .v4 {
                    check(service4_key(key), key, entry)
                } else {
                    check(service6_key(key), key, entry)
                }
            }
        }
    }

    private func check(_ layout: some ServiceKeyLayout, _ key: FrontendKey, _ entry: ServiceEntry) {
        #expect(layout.decoded == key)
        let value = service(entry, seal: layout.seal)
        #expect(value.algorithm == RANDOM)
        #expect(value.decoded(sealedFor: layout.seal) == entry)
        #expect(value.decoded(sealedFor: layout.seal ^ 1) == nil)
    }

    @Test("a backend survives, with a zone of at most 31 bytes", arguments: IPFamily.allCases)
    func backends(family: IPFamily) {
        var entry = BackendEntry(
            service: ServiceID(3), address: RandomCluster.pod(4, family), port: RandomCluster.port(8080), proto: .sctp,
            state: .terminating, isLocal: true, inCluster: false, inLocal: true, zone: "zone-a")
        func roundTrip(_ entry: BackendEntry) -> BackendEntry? {
            family == .v4 ? backend4(entry).decoded : backend6(entry).decoded
        }
        #expect(roundTrip(entry) == entry)
        entry.zone = String(repeating: "é", count: 20)
        #expect(roundTrip(entry)?.zone == String(repeating: "é", count: 15))
        entry.zone = String(repeating: "z", count: 31)
        #expect(roundTrip(entry) == entry)
    }

    @Test("a range survives, its prefix after the service id's", arguments: IPFamily.allCases)
    func ranges(family: IPFamily) {
        for range in RandomCluster.ranges(family) {
            if family == .v4 {
                check(source_range4_key(range, of: ServiceID(7)), range)
            } else {
                check(source_range6_key(range, of: ServiceID(7)), range)
            }
        }
    }

    private func check(_ layout: some SourceRangeKeyLayout, _ range: CIDR) {
        #expect(layout.prefix_length == 32 + UInt32(range.prefixLength))
        #expect(layout.decoded?.service == ServiceID(7) && layout.decoded?.range == range)
        var foreign = layout
        foreign.prefix_length = 31
        #expect(foreign.decoded == nil)
    }

    @Test("slots, VIPs, NodePorts and names survive")
    func others() {
        let slot = SlotEntry(service: ServiceID(3), backend: BackendID(9), address: IPAddress(v6: 1, 2), port: 53)
        #expect(slot6(slot).decoded == slot)
        #expect(slot6().decoded == nil)
        #expect(vip(VIPEntry(frontends: 4)).decoded == VIPEntry(frontends: 4))
        let key = NodePortKey(port: RandomCluster.port(30080), proto: .udp)
        #expect(node_port_key(key).decoded == key)
        let service = ObjectName(namespace: String(repeating: "n", count: 63), name: "web")
        let name = ServicePortName(service: service, port: "", proto: .tcp, family: .v6)
        #expect(service_port(name).decoded == name)
    }

    @Test("text is cut between characters", arguments: [("abc", "abc"), ("abcd", "abc"), ("abé", "ab"), ("€€", "€")])
    func cut(text: String, kept: String) {
        #expect(FixedText.cut(text, toFit: 4) == kept)
    }

    @Test("the catalogue knows every map with its size")
    func catalogue() {
        #expect(MapCatalog.all.map(\.map) == ServiceMap.allCases)
        let services = MapCatalog.description(of: .services6)
        #expect(services.keySize == 20 && services.valueSize == 28 && services.key == "struct service6_key")
        #expect(MapCapacities(possibleCPUs: 512).serviceCounters == 1638)
    }

    @Test("full is how maps work that the programs fill, and a complaint of those that hold Services")
    func fullByNature() {
        let byNature = MapCatalog.all.filter(\.isFullByNature).map(\.map)
        #expect(Set(byNature).isSuperset(of: [.affinity, .socketOrigin, .flowFilter, .fragments, .vipFilter]))
        #expect(MapCatalog.all.allSatisfy { $0.kind != .lruHash || $0.isFullByNature })
        #expect(MapCatalog.all.allSatisfy { $0.size.group == nil || (!$0.isFullByNature && $0.size.flag != nil) })
    }

    @Test(
        "a flow for each 64 KiB of memory, as the kernel's connection tracking has it, between 8,192 and 262,144",
        arguments: [(256 << 20, 8192), (4 << 30, 65_536), (64 << 30, 262_144)] as [(UInt64, UInt32)])
    func flows(memory: UInt64, entries: UInt32) {
        #expect(MapCapacities.flows(forMemory: memory) == entries)
    }
}
