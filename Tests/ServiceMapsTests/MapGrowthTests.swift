import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

@Suite("Growing maps")
struct MapGrowthTests {
    private static let growth = MapGrowth(memoryLimit: 512 << 20, possibleCPUs: 2)
    private static let usual = MapCapacities(possibleCPUs: 2)

    @Test("every map that the control plane fills is in one group, but for the filter, which has one size")
    func groups() {
        let grouped = MapGroup.allCases.flatMap(\.maps)
        #expect(Set(grouped).count == grouped.count)
        #expect(Set(grouped).union([.vipFilter]) == Set(BPFMapStore.needed))
        for group in MapGroup.allCases {
            for map in group.maps { #expect(MapGroup(of: map) == group) }
        }
        #expect(MapGroup(of: .flows4) == nil)
    }

    @Test("a group doubles and the others stay", arguments: MapGroup.allCases)
    func doubles(group: MapGroup) throws {
        let grown = try #require(Self.growth.grown(Self.usual, group))
        for other in MapGroup.allCases {
            // There are counters only for those who are counted.
            for map in other.maps where map != .backendCounters {
                let before = try #require(Self.usual[map])
                #expect(grown[map] == (other == group ? before * 2 : before), "\(map)")
            }
        }
        #expect(!grown.countsBackends)
    }

    @Test("counters of backends grow with them when they are counted")
    func countsBackends() throws {
        let counting = MapCapacities(backends: 1_000, countsBackends: true, possibleCPUs: 2)
        let grown = try #require(Self.growth.grown(counting, .backends))
        #expect(grown.backendCounters == 4_000)
    }

    @Test("counters of service ports grow up to the memory that they may take, on many CPUs too")
    func countsServices() throws {
        let growth = MapGrowth(memoryLimit: 1 << 32, possibleCPUs: 512)
        var capacities = MapCapacities(services: 1_024, possibleCPUs: 512)
        for _ in 0..<4 { capacities = try #require(growth.grown(capacities, .services)) }
        #expect(capacities.services == 16_384)
        #expect(Int(capacities.serviceCounters) * 40 * 512 <= MapCapacities.serviceCounterMemory)
        #expect(capacities.serviceCounters > 1_024)
    }

    @Test("nothing grows over the limit, and the usual limit leaves room to grow from the usual sizes")
    func limit() throws {
        for group in MapGroup.allCases {
            let grown = try #require(Self.growth.grown(Self.usual, group))
            let needed = Self.growth.memory(of: grown)
            #expect(needed > Self.growth.memory(of: Self.usual))
            #expect(MapGrowth(memoryLimit: needed, possibleCPUs: 2).grown(Self.usual, group) == grown)
            #expect(MapGrowth(memoryLimit: needed - 1, possibleCPUs: 2).grown(Self.usual, group) == nil)
        }
        #expect(MapGrowth(memoryLimit: 0, possibleCPUs: 2).grown(Self.usual, .services) == nil)
    }

    @Test("maps are made as large as a list needs at once: no group is crowded, none is larger than that")
    func fitted() throws {
        var demand = MapDemand()
        for number in 0..<300 {
            demand.add(Bench.service("s\(number)", at: number, pods: (number * 3)..<(number * 3 + 3)))
        }
        let small = MapCapacities(services: 64, slots: 128, backends: 64, affinity: 1, possibleCPUs: 2)
        let (groups, capacities) = Self.growth.fitted(small, to: demand)
        #expect(groups == [.services, .slots, .backends])
        #expect((capacities.services, capacities.slots, capacities.backends) == (512, 2_048, 2_048))
        #expect(demand.crowded(capacities).isEmpty)
        #expect(Self.growth.fitted(Self.usual, to: demand) == ([], Self.usual))
        // All of it fits then, without a refusal.
        var bench = try Bench(capacities: capacities)
        let services = (0..<300).map { Bench.service("s\($0)", at: $0, pods: ($0 * 3)..<($0 * 3 + 3)) }
        expectDone(bench.writer.apply(upserts: services))
        #expect(bench.writer.crowded == [])
        // At the limit they are as large as it allows.
        let tight = MapGrowth(memoryLimit: Self.growth.memory(of: small) * 3, possibleCPUs: 2)
        let most = tight.fitted(small, to: demand)
        #expect(!most.groups.isEmpty && tight.memory(of: most.capacities) <= tight.memoryLimit)
    }

    @Test("what objects need at most is no less than what they need once compiled")
    func demandAtMost() throws {
        var service = Service(name: Bench.name("web"))
        service.kind = .loadBalancer
        service.externalPolicy = .local
        service.clusterIPs = [RandomCluster.vip(1, .v4)]
        service.ingress = [.init(address: RandomCluster.vip(2, .v4))]
        service.externalIPs = [RandomCluster.vip(3, .v4)]
        service.loadBalancerSourceRanges = ["10.0.0.0/8", "192.0.2.0/24"]
        service.ports = [.init(port: RandomCluster.port(80), nodePort: RandomCluster.port(30_080))]
        var slice = EndpointSlice(name: Bench.name("web-x"), serviceName: "web", addressType: .ipv4)
        slice.ports = [.init(port: RandomCluster.port(8_080))]
        slice.endpoints = (0..<50).map { Endpoint(address: RandomCluster.pod($0, .v4), nodeName: $0 < 9 ? "n" : "o") }
        let node = NodeConfiguration(name: "n", nodePortAddresses: [NodePortAddress(RandomCluster.vip(4, .v4))])
        var demand = MapDemand()
        demand.add(compile(service: service, slices: [slice], node: node))
        let most = MapDemand(atMost: [.service(service), .slice(slice)], nodePortAddresses: 1)
        for group in MapGroup.allCases {
            #expect(most.entries(of: group) >= demand.entries(of: group), "\(group)")
            #expect(demand.entries(of: group) > 0, "\(group)")
        }
        // Seven frontends, two sets of backends and slot 0.
        #expect(demand.entries(of: .services) == 7 && demand.entries(of: .slots) == 50 + 9 + 1)
    }

    @Test("sizes never leave their 32 bits")
    func overflow() throws {
        let boundless = MapGrowth(memoryLimit: .max, possibleCPUs: 1)
        for group in MapGroup.allCases {
            var capacities = MapCapacities(countsBackends: true, possibleCPUs: 1)
            for _ in 0..<40 { capacities = try #require(boundless.grown(capacities, group)) }
            for map in group.maps where map != .serviceCounters { #expect(capacities[map] ?? 0 >= 1 << 29) }
        }
    }

    @Test("what is pinned counts where it is more than what is configured")
    func raised() {
        let pinned: [ServiceMap: UInt32] = [
            .services4: 128, .services6: 64, .slots4: 100, .backends6: 4_096, .serviceCounters: 128,
        ]
        let configured = MapCapacities(services: 64, slots: 512, backends: 128, countsBackends: true, possibleCPUs: 1)
        let raised = configured.raised { pinned[$0] }
        #expect((raised.services, raised.slots, raised.backends) == (128, 512, 4_096))
        #expect((raised.serviceCounters, raised.backendCounters) == (128, 8_192))
    }

    @Test("what did not fit is programmed after the move, and what is there keeps its id and slots")
    func moves() throws {
        let capacities = MapCapacities(services: 4, slots: 8, backends: 8, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        expectDone(bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...5)]))
        #expect(bench.writer.crowded == [])
        let refused = bench.writer.apply(upserts: [Bench.service("big", at: 2, pods: 6...15)])
        #expect(refused.failures.allSatisfy(\.error.isShortage) && refused.failures.count == 1)
        #expect(refused.failures.first.flatMap { MapGroup(of: $0.map) } == .backends)
        let id = bench.writer.id(of: Bench.portName("web"))
        let runs = bench.writer.runs(of: Bench.portName("web"))

        var larger = capacities
        (larger.slots, larger.backends) = (32, 32)
        let store = FakeStore(bench.store.contents, capacities: larger)
        bench.writer.move(to: store, capacities: larger)
        #expect(bench.writer.capacities.slots == 32)
        let report = bench.writer.apply()
        #expect(report.failures.isEmpty && !report.isPending)
        #expect(bench.writer.id(of: Bench.portName("web")) == id)
        #expect(bench.writer.runs(of: Bench.portName("web")) == runs)
        let model = DatapathModel(contents: store.contents)
        #expect(model.meet(Bench.key(1)) == Bench.pods(1, 2, 3, 4, 5))
        #expect(model.meet(Bench.key(2)) == Bench.pods(6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
        // Nothing is written to the old maps any more.
        #expect(bench.store.contents.maps[.backends4]?.count == 5)
    }

    @Test("a group is crowded from four fifths on")
    func crowded() throws {
        let capacities = MapCapacities(services: 100, slots: 101, backends: 10, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...8)])
        #expect(bench.writer.crowded == [])
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...9)])
        #expect(bench.writer.crowded == [.backends])
    }
}
