import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

/// A store, its writer, and words for small Services.
struct Bench {
    let store: FakeStore
    var writer: ServiceMapWriter<FakeStore>

    init(capacities: MapCapacities = .small, contents: FakeStore.Contents = .init()) throws {
        store = FakeStore(contents, capacities: capacities)
        writer = try ServiceMapWriter(store: store, grace: LoggedGrace(store: store), capacities: capacities)
    }

    static func name(_ name: String) -> ObjectName { ObjectName(namespace: "default", name: name) }

    static func portName(_ name: String) -> ServicePortName {
        ServicePortName(service: Self.name(name), port: "", proto: .tcp, family: .v4)
    }

    static func key(_ address: Int, _ port: Int = 80) -> FrontendKey {
        FrontendKey(address: RandomCluster.vip(address, .v4), port: RandomCluster.port(port), proto: .tcp)
    }

    static func service(
        _ name: String, at address: Int, pods: some Sequence<Int>, frontends: [DesiredFrontend] = []
    ) -> DesiredService {
        let backends = pods.map {
            DesiredBackend(address: RandomCluster.pod($0, .v4), port: RandomCluster.port(8080), isLocal: $0 % 2 == 0)
        }
        let clusterIP = DesiredFrontend(
            key: key(address), kind: .clusterIP, action: backends.isEmpty ? .reject : .balance)
        let port = DesiredServicePort(
            name: portName(name), backends: backends, frontends: ([clusterIP] + frontends).sorted { $0.key < $1.key })
        return DesiredService(name: Self.name(name), ports: [port])
    }

    func meet(_ key: FrontendKey) -> Encounter { DatapathModel(contents: store.contents).meet(key) }

    static func pods(_ numbers: Int...) -> Encounter {
        .served(
            Set(numbers.map { Encounter.Endpoint(address: RandomCluster.pod($0, .v4), port: 8080) }),
            affinitySeconds: 0)
    }

    /// The maps that the log wrote, in order.
    var writtenMaps: [ServiceMap] {
        store.log.compactMap { if case .put(let map, _, _) = $0 { map } else { nil } }
    }
}

@Suite("Writing the maps")
struct WriterTests {
    @Test("names and backends come before slots, slots before the frontend, its address last")
    func order() throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...2)]))
        #expect(
            bench.writtenMaps == [
                .servicePorts, .backends4, .backends4, .slots4, .slots4, .vipFilter, .services4, .vips4,
            ])
    }

    @Test("one more endpoint writes one backend, a new run and the frontend; the old run goes after the grace period")
    func growth() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...2)])
        bench.store.log = []
        expectDone(bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...3)]))
        #expect(bench.writtenMaps == [.backends4, .slots4, .slots4, .slots4, .services4])
        bench.store.log = []
        _ = try bench.writer.reclaim()
        #expect(bench.store.log.first == .grace)
        #expect(bench.writtenMaps == [.slots4, .slots4])
        #expect(bench.store.contents.maps[.slots4]?.count == 3)
        #expect(!bench.writer.needsReclaim)
    }

    @Test("the slots of a family that has no service port are not read at the start")
    func freshNode() throws {
        var bench = try Bench()
        #expect(bench.store.arraysRead == [.vipFilter])
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...3)])
        #expect(try Bench(contents: bench.store.contents).store.arraysRead == [.vipFilter, .slots4])
    }

    @Test("nothing is written when nothing changes")
    func unchanged() throws {
        var bench = try Bench()
        let services = [Bench.service("web", at: 1, pods: 1...2), Bench.service("none", at: 2, pods: 0..<0)]
        _ = bench.writer.apply(upserts: services)
        bench.store.log = []
        let report = bench.writer.apply(upserts: services, prune: true)
        #expect(bench.store.log.isEmpty && report.written == 0 && report.deleted == 0)
    }

    @Test("frontends of a service port share a run, and both policies share it when their sets are equal")
    func sharedRuns() throws {
        var bench = try Bench()
        let local = DesiredFrontend(key: Bench.key(9), kind: .externalIP, policy: .local)
        var service = Bench.service("web", at: 1, pods: [2, 4], frontends: [local])
        for index in service.ports[0].backends.indices { service.ports[0].backends[index].inLocal = true }
        _ = bench.writer.apply(upserts: [service])
        #expect(bench.writer.runs(of: Bench.portName("web")).count == 1)
        service.ports[0].backends[0].inLocal = false
        _ = bench.writer.apply(upserts: [service])
        #expect(bench.writer.runs(of: Bench.portName("web")).map(\.count).sorted() == [1, 2])
        #expect(bench.meet(Bench.key(9)) == Bench.pods(4))
        #expect(bench.meet(Bench.key(1)) == Bench.pods(2, 4))
    }

    @Test("a frontend without a backend rejects, whatever was asked for")
    func empty() throws {
        var bench = try Bench()
        var service = Bench.service("web", at: 1, pods: [])
        service.ports[0].frontends[0].action = .balance
        expectDone(bench.writer.apply(upserts: [service]))
        #expect(bench.meet(Bench.key(1)) == .refused(.reject))
        let state = try ProgrammedState.read(from: bench.store)
        #expect(state.ports.flatMap(\.frontends).map(\.entry.action) == [.reject])
        #expect(state.ports.flatMap(\.frontends).map(\.entry.run) == [.none])
    }

    @Test("a frontend moves to another Service in one write")
    func move() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("old", at: 1, pods: [1])])
        bench.store.log = []
        expectDone(
            bench.writer.apply(
                upserts: [Bench.service("new", at: 1, pods: [2])], removals: [Bench.name("old")]))
        let touched = bench.store.log.filter {
            switch $0 {
            case .put(.services4, _, _), .delete(.services4, _): true
            default: false
            }
        }
        #expect(touched.count == 1)
        #expect(bench.meet(Bench.key(1)) == Bench.pods(2))
    }

    @Test("a frontend that cannot move yet stays where it leads")
    func moveFails() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("old", at: 1, pods: [1])])
        bench.store.refuses = { _, map in map == .slots4 }
        let report = bench.writer.apply(
            upserts: [Bench.service("new", at: 1, pods: [2])], removals: [Bench.name("old")])
        #expect(bench.writer.pending == [Bench.portName("new"), Bench.portName("old")])
        #expect(report.failures.map(\.port) == [Bench.portName("new")])
        #expect(bench.meet(Bench.key(1)) == Bench.pods(1))
        bench.store.refuses = { _, _ in false }
        _ = bench.writer.apply()
        expectDone(bench.writer.apply())
        #expect(bench.meet(Bench.key(1)) == Bench.pods(2))
    }

    @Test("a Service that does not fit is refused whole, and disturbs nobody")
    func full() throws {
        let capacities = MapCapacities(services: 16, slots: 16, backends: 8, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        let report = bench.writer.apply(upserts: [
            Bench.service("a", at: 1, pods: 0..<4), Bench.service("big", at: 2, pods: 0..<6),
            Bench.service("b", at: 3, pods: 0..<4),
        ])
        #expect(bench.writer.pending == [Bench.portName("big")])
        #expect(report.failures.map(\.error) == [MapError(.backends4, .full(capacity: 8))])
        #expect(
            report.failures.first?.description
                == "default/big: backends4 is full (8); raise --max-backends")
        #expect(
            bench.meet(Bench.key(1)) == Bench.pods(0, 1, 2, 3) && bench.meet(Bench.key(3)) == Bench.pods(0, 1, 2, 3))
        #expect(bench.meet(Bench.key(2)) == .miss)
        // Room comes when another has gone and its grace period is over.
        _ = bench.writer.apply(removals: [Bench.name("a"), Bench.name("b")])
        _ = try bench.writer.reclaim()
        expectDone(bench.writer.apply())
        #expect(bench.meet(Bench.key(2)) == Bench.pods(0, 1, 2, 3, 4, 5))
    }

    @Test("a change does not try again what is pending, and what is pending waits longer each time")
    func turns() throws {
        let capacities = MapCapacities(services: 2, slots: 64, backends: 64, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        let services = (1...5).map { Bench.service("s\($0)", at: $0, pods: [$0]) }
        #expect(bench.writer.apply(upserts: services).failures.count == 3)
        #expect(bench.writer.pending == (3...5).map { Bench.portName("s\($0)") })
        let change = bench.writer.apply(upserts: [Bench.service("s1", at: 1, pods: 1...2)], retries: .none)
        #expect(change.failures.isEmpty && change.isPending && change.written > 0)
        // The turns in which those three are tried again: one, two, four and eight later, then every twelve.
        let tried = (1...39).filter { _ in !bench.writer.apply(retries: .due).failures.isEmpty }
        #expect(tried == [1, 3, 7, 15, 27, 39])
        // What is wanted now counts, and not what waited.
        let changed = bench.writer.apply(removals: [Bench.name("s1"), Bench.name("s4")], retries: .none)
        #expect(changed.failures.isEmpty && bench.writer.pending == [Bench.portName("s3"), Bench.portName("s5")])
        _ = try bench.writer.reclaim()
        #expect(bench.writer.apply(upserts: [Bench.service("s5", at: 5, pods: [9])], retries: .none).failures.isEmpty)
        #expect(bench.meet(Bench.key(5)) == Bench.pods(9) && bench.writer.pending == [Bench.portName("s3")])
    }

    @Test("a turn is taken in portions, and its end is told")
    func portions() throws {
        let capacities = MapCapacities(services: 2, slots: 512, backends: 512, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        _ = bench.writer.apply(upserts: (1...152).map { Bench.service("s\($0)", at: $0, pods: [$0]) })
        let failures = (0..<3).map { _ in bench.writer.apply(retries: .due).failures.count }
        #expect(failures == [64, 64, 22] && bench.writer.isTurnOver)
        #expect(bench.writer.apply(retries: .due).failures.isEmpty && bench.writer.isTurnOver)
        #expect(bench.writer.pending.count == 150)
    }

    @Test("an id is free again after the grace period only, and its counter starts at zero")
    func ids() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("a", at: 1, pods: [1])])
        bench.store.counters[1] = [service_counter(forwarded: 5)]
        _ = bench.writer.apply(removals: [Bench.name("a")])
        _ = bench.writer.apply(upserts: [Bench.service("b", at: 2, pods: [1])])
        #expect(bench.writer.id(of: Bench.portName("b")) == ServiceID(2))
        _ = try bench.writer.reclaim()
        #expect(bench.writer.id(of: Bench.portName("a")) == nil)
        _ = bench.writer.apply(upserts: [Bench.service("c", at: 3, pods: [1])])
        #expect(bench.writer.id(of: Bench.portName("c")) == ServiceID(1))
        #expect(bench.store.counters[1] == nil)
    }

    @Test("what comes back before its grace period is over keeps its id and is not freed")
    func revival() throws {
        var bench = try Bench()
        let service = Bench.service("a", at: 1, pods: 1...2)
        _ = bench.writer.apply(upserts: [service])
        _ = bench.writer.apply(removals: [Bench.name("a")])
        let ticket = bench.writer.beginReclaim()
        _ = bench.writer.apply(upserts: [service])
        _ = bench.writer.finishReclaim(ticket)
        try expectMaps(in: bench.store, hold: [service])
        #expect(bench.writer.id(of: Bench.portName("a")) == ServiceID(1))
        _ = bench.writer.apply(removals: [Bench.name("a")])
        _ = try bench.writer.reclaim()
        try expectMaps(in: bench.store, hold: [])
    }

    @Test("nothing that was found is pruned before the first complete list (spec 10)")
    func prune() throws {
        var first = try Bench()
        let services = [Bench.service("a", at: 1, pods: [1]), Bench.service("b", at: 2, pods: [2])]
        _ = first.writer.apply(upserts: services)
        var second = try Bench(contents: first.store.contents)
        _ = second.writer.apply(upserts: [services[0]])
        #expect(second.meet(Bench.key(2)) == Bench.pods(2))
        _ = second.writer.apply(prune: true)
        _ = try second.writer.reclaim()
        try expectMaps(in: second.store, hold: [services[0]])
    }

    @Test("what cannot be read is spared alone, and goes when it is known to be gone (spec 10)")
    func sparing() throws {
        var first = try Bench()
        let services = (1...3).map { Bench.service("s\($0)", at: $0, pods: [$0]) }
        _ = first.writer.apply(upserts: services)
        var second = try Bench(contents: first.store.contents)
        _ = second.writer.apply(upserts: [services[0]], prune: true, sparing: [Bench.name("s2")])
        _ = try second.writer.reclaim()
        try expectMaps(in: second.store, hold: [services[0], services[1]])
        #expect(second.writer.unconfirmedServices == [Bench.name("s2")])
        _ = second.writer.apply(prune: true)
        _ = try second.writer.reclaim()
        try expectMaps(in: second.store, hold: [services[0]])
        #expect(second.writer.unconfirmedServices == [])
    }

    @Test("an address of the node that is somebody's ClusterIP refuses no other ports (spec 23)")
    func nodeAddressAsClusterIP() throws {
        var bench = try Bench()
        let address = Bench.key(1).address
        let isNothingYet = !bench.writer.setNodeAddresses([address])
        #expect(isNothingYet)
        _ = bench.writer.apply(upserts: [Bench.service("a", at: 1, pods: [1])])
        #expect(bench.meet(Bench.key(1)) == Bench.pods(1))
        #expect(bench.store.contents.maps[.vips4, default: [:]].isEmpty)
        let hasVIP = bench.writer.setNodeAddresses([])
        #expect(hasVIP)
        _ = bench.writer.apply()
        #expect(bench.store.contents.maps[.vips4]?.count == 1)
    }

    @Test("a damaged run is replaced, and what leads nowhere is freed")
    func damage() throws {
        var first = try Bench()
        let services = [Bench.service("a", at: 1, pods: 1...3), Bench.service("b", at: 2, pods: [2])]
        _ = first.writer.apply(upserts: services)
        var contents = first.store.contents
        contents.maps[.slots4]?[bytes(UInt32(2))] = nil
        contents.maps[.slots4]?[bytes(UInt32(99))] = [UInt8](repeating: 7, count: 16)
        let (backend, name) = (
            contents.maps[.backends4]?[bytes(UInt32(4))], contents.maps[.servicePorts]?[bytes(UInt32(1))]
        )
        contents.maps[.backends4]?[bytes(UInt32(500))] = backend
        contents.maps[.servicePorts]?[bytes(UInt32(77))] = name
        var second = try Bench(contents: contents)
        expectDone(second.writer.apply(upserts: services, prune: true))
        _ = try second.writer.reclaim()
        #expect(second.writer.id(of: Bench.portName("a")) == ServiceID(1))
        try expectMaps(in: second.store, hold: services)
    }

    @Test("a stranger's entry under a huge id costs no more than itself, and goes", .timeLimit(.minutes(1)))
    func hugeID() throws {
        var first = try Bench()
        let services = [Bench.service("a", at: 1, pods: 1...3)]
        _ = first.writer.apply(upserts: services)
        var contents = first.store.contents
        let name = contents.maps[.servicePorts]?[bytes(UInt32(1))]
        for id: UInt32 in [.max, .max - 1, 1 << 31] { contents.maps[.servicePorts]?[bytes(id)] = name }
        var second = try Bench(contents: contents)
        expectDone(second.writer.apply(upserts: services + [Bench.service("b", at: 2, pods: [4])], prune: true))
        _ = try second.writer.reclaim()
        #expect(second.writer.id(of: Bench.portName("a")) == ServiceID(1))
        #expect(second.writer.id(of: Bench.portName("b")) == ServiceID(2))
        try expectMaps(in: second.store, hold: services + [Bench.service("b", at: 2, pods: [4])])
    }
}
