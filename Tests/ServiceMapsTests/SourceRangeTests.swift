import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

@Suite("Source ranges in the maps (spec 24)")
struct SourceRangeTests {
    /// A Service with a ClusterIP and a load balancer's address, which these ranges restrict.
    private static func service(
        _ name: String = "web", vip: Int = 9, ranges: [String]?, admitsVIP: Bool = false
    ) -> DesiredService {
        let sources = ranges.map { SourceRanges($0.compactMap { CIDR($0) }.sorted(), admitsVIP: admitsVIP) }
        let frontend = DesiredFrontend(key: Bench.key(vip), kind: .loadBalancer, sourceRanges: sources)
        return Bench.service(name, at: vip - 8, pods: [1], frontends: [frontend])
    }

    private func programmed(_ bench: Bench) throws -> [ProgrammedState.Port] {
        try ProgrammedState.read(from: bench.store).ports
    }

    private func admits(_ client: String, _ bench: Bench) throws -> Bool? {
        let client = try #require(IPAddress(client))
        return DatapathModel(contents: bench.store.contents).admits(client, at: Bench.key(9))
    }

    @Test("ranges are written before the frontend that asks for them")
    func order() throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [Self.service(ranges: ["10.0.0.0/8", "192.0.2.0/24"])]))
        #expect(
            bench.writtenMaps == [
                .servicePorts, .backends4, .slots4, .sourceRanges4, .sourceRanges4, .vipFilter, .vipFilter, .services4,
                .services4, .vips4,
            ])
        let port = try #require(try programmed(bench).first)
        #expect(port.frontends.map(\.entry.isRestricted) == [false, true], "the ClusterIP is open")
        #expect(port.sourceRanges.map(\.description) == ["10.0.0.0/8", "192.0.2.0/24"])
    }

    @Test("tens of thousands cost in proportion, and so do backends", .timeLimit(.minutes(1)))
    func many() throws {
        let capacities = MapCapacities(
            services: 16, slots: 131_072, backends: 65_536, sourceRanges: 65_536, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        let ranges = (0..<40_000).map { "198.18.\($0 >> 8).\($0 & 255)/32" }
        expectDone(bench.writer.apply(upserts: [Self.service(ranges: ranges)]))
        expectDone(bench.writer.apply(upserts: [Bench.service("large", at: 3, pods: 0..<40_000)]))
        _ = bench.writer.apply(removals: [Bench.name("web"), Bench.name("large")])
        _ = try bench.writer.reclaim()
        try expectMaps(in: bench.store, hold: [])
    }

    @Test("other ranges are written without touching the frontend; the old ones go after the grace period")
    func change() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["10.0.0.0/8", "192.0.2.0/24"])])
        bench.store.log = []
        expectDone(bench.writer.apply(upserts: [Self.service(ranges: ["10.1.0.0/16", "192.0.2.0/24"])]))
        #expect(bench.writtenMaps == [.sourceRanges4] && bench.store.log.count == 1)
        bench.store.log = []
        _ = try bench.writer.reclaim()
        #expect(bench.store.log.count == 2 && bench.store.log.first == .grace)
        #expect(try programmed(bench).flatMap(\.sourceRanges).map(\.description) == ["10.1.0.0/16", "192.0.2.0/24"])
        #expect(try admits("10.1.2.3", bench) == true && admits("10.2.2.3", bench) == false)
    }

    @Test("a frontend is opened before its ranges go, and they wait for the grace period", arguments: [true, false])
    func lift(staysService: Bool) throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["10.0.0.0/8"])])
        bench.store.log = []
        if staysService {
            expectDone(bench.writer.apply(upserts: [Self.service(ranges: nil)]))
            #expect(bench.writtenMaps == [.services4])
        } else {
            expectDone(bench.writer.apply(removals: [Bench.name("web")]))
        }
        #expect(bench.store.contents.maps[.sourceRanges4]?.count == 1)
        _ = try bench.writer.reclaim()
        #expect(bench.store.contents.maps[.sourceRanges4]?.isEmpty == true)
        #expect(!bench.writer.needsReclaim)
        #expect(bench.writer.statistics[.sourceRanges4]?.entries == 0)
    }

    @Test("no range at all admits nobody, and replaces ranges at once")
    func nobody() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["10.0.0.0/8"])])
        expectDone(bench.writer.apply(upserts: [Self.service(ranges: [])]))
        _ = try bench.writer.reclaim()
        #expect(try admits("10.1.2.3", bench) == false)
    }

    @Test("where a range holds the node, its sockets and the VIP are admitted")
    func node() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["192.0.2.0/24"])])
        #expect(try programmed(bench).flatMap(\.frontends).map(\.entry.allowsHost) == [false, false])
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["192.0.2.0/24"], admitsVIP: true)])
        #expect(try programmed(bench).flatMap(\.frontends).map(\.entry.allowsHost) == [false, true])
        #expect(try programmed(bench).flatMap(\.sourceRanges).map(\.description) == ["10.96.0.9/32", "192.0.2.0/24"])
    }

    @Test("ranges that could not all be written leave the frontend and the old ranges as they were")
    func failure() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["10.0.0.0/8"])])
        var hasFailed = false
        bench.store.refuses = { _, map in
            defer { hasFailed = hasFailed || map == .sourceRanges4 }
            return map == .sourceRanges4 && !hasFailed
        }
        _ = bench.writer.apply(upserts: [Self.service(ranges: ["10.1.0.0/16"], admitsVIP: true)])
        #expect(bench.writer.pending == [Bench.portName("web")])
        _ = try bench.writer.reclaim()
        #expect(try admits("10.1.2.3", bench) == true)
        #expect(try programmed(bench).flatMap(\.frontends).map(\.entry.allowsHost) == [false, false])
        bench.store.refuses = { _, _ in false }
        expectDone(bench.writer.apply())
        while bench.writer.needsReclaim { _ = try bench.writer.reclaim() }
        #expect(try admits("10.1.2.3", bench) == true && admits("10.2.2.3", bench) == false)
    }

    @Test("a frontend that cannot move yet keeps the ranges of its old Service")
    func moveFails() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Self.service("old", ranges: ["10.0.0.0/8"])])
        bench.store.refuses = { _, map in map == .slots4 }
        let new = Self.service("new", ranges: ["192.0.2.0/24"])
        _ = bench.writer.apply(upserts: [new], removals: [Bench.name("old")])
        _ = try bench.writer.reclaim()
        #expect(try admits("10.1.2.3", bench) == true && admits("192.0.2.1", bench) == false)
        bench.store.refuses = { _, _ in false }
        _ = bench.writer.apply()
        expectDone(bench.writer.apply())
        while bench.writer.needsReclaim { _ = try bench.writer.reclaim() }
        try expectMaps(in: bench.store, hold: [new])
    }

    @Test("a range that comes back before its grace period is over stays")
    func revival() throws {
        var bench = try Bench()
        let (first, second) = (Self.service(ranges: ["10.0.0.0/8"]), Self.service(ranges: ["192.0.2.0/24"]))
        _ = bench.writer.apply(upserts: [first])
        _ = bench.writer.apply(upserts: [second])
        let ticket = bench.writer.beginReclaim()
        _ = bench.writer.apply(upserts: [first])
        _ = bench.writer.finishReclaim(ticket)
        #expect(try admits("10.1.2.3", bench) == true)
        while bench.writer.needsReclaim { _ = try bench.writer.reclaim() }
        try expectMaps(in: bench.store, hold: [first])
    }

    @Test("a Service with more ranges than fit is refused whole, and says what to do")
    func full() throws {
        let capacities = MapCapacities(
            services: 16, slots: 16, backends: 8, sourceRanges: 2, affinity: 1, possibleCPUs: 1)
        var bench = try Bench(capacities: capacities)
        let report = bench.writer.apply(upserts: [
            Self.service("a", ranges: ["10.0.0.0/8"]),
            Self.service("big", vip: 10, ranges: ["10.0.0.0/8", "192.0.2.0/24"]),
            Self.service("b", vip: 11, ranges: ["10.0.0.0/8"]),
        ])
        #expect(
            report.failures.map(\.description)
                == ["default/big: source_ranges4 is full (2); raise --max-source-ranges"])
        #expect(bench.writer.pending == [Bench.portName("big")])
        #expect(bench.meet(Bench.key(10)) == .miss, "never open without its ranges")
        #expect(bench.meet(Bench.key(11)) == Bench.pods(1))
    }

    @Test("a restart keeps ranges, and frees those that nobody asks for")
    func restart() throws {
        var first = try Bench()
        _ = first.writer.apply(upserts: [
            Self.service(ranges: ["10.0.0.0/8"]), Self.service("gone", vip: 10, ranges: ["10.0.0.0/8"]),
        ])
        var contents = first.store.contents
        let orphan = try source_range4_key(#require(CIDR("172.16.0.0/12")), of: ServiceID(77))
        contents.maps[.sourceRanges4]?[bytes(orphan)] = bytes(source_range.allowing)
        var second = try Bench(contents: contents)
        let report = second.writer.apply(upserts: [Self.service(ranges: ["10.0.0.0/8"])], prune: true)
        #expect(report.written == 0)
        while second.writer.needsReclaim { _ = try second.writer.reclaim() }
        try expectMaps(in: second.store, hold: [Self.service(ranges: ["10.0.0.0/8"])])
        #expect(second.store.contents.maps[.sourceRanges4]?.count == 1)
    }

    /// A reader stops between its two look-ups; a grace period waits for it.
    @Test("a reader that has a frontend finds the ranges of one of its moments", arguments: 0..<16)
    func interleaving(bits: Int) throws {
        let pool = ["10.0.0.0/8", "10.1.0.0/16"]
        func ranges(_ bits: Int) -> [String]? {
            bits == 3 ? nil : pool.indices.filter { bits >> $0 & 1 == 1 }.map { pool[$0] }
        }
        let steps = [ranges(bits & 3), ranges(bits >> 2), ["10.0.0.0/8"]]
        var bench = try Bench()
        var (states, epochs, moments) = ([bench.store.contents], [0], [0])
        for (moment, step) in steps.enumerated() {
            bench.store.log = []
            _ = bench.writer.apply(upserts: [Self.service(ranges: step)])
            _ = try bench.writer.reclaim()
            for event in bench.store.log {
                var contents = states[states.count - 1]
                contents.perform(event)
                states.append(contents)
                epochs.append(epochs[epochs.count - 1] + (event == .grace ? 1 : 0))
                moments.append(moment)
            }
        }
        let client = try #require(IPAddress("10.1.2.3"))
        let should = steps.map { $0?.contains { CIDR($0)?.contains(client) == true } ?? true }
        for (start, contents) in states.enumerated() {
            let key = Model4.ServiceKey(Bench.key(9))
            guard let entry = DatapathModel(contents: contents).entry(key, Model4.self) else { continue }
            for later in start..<states.count where epochs[later] == epochs[start] {
                let isAdmitted = DatapathModel(contents: states[later]).admits(client, entry, Model4.self)
                // At the start of a moment what was before it still holds.
                let right = Set(should[max(0, moments[start] - 1)...moments[later]])
                #expect(right.contains(isAdmitted), "\(steps): entry after \(start) writes, range after \(later)")
            }
        }
    }
}

@Suite("Counters of backends")
struct BackendCounterTests {
    private func counted(_ contents: FakeStore.Contents) -> [[UInt8]] {
        (contents.maps[.backendCounters] ?? [:]).keys.sorted { $0.lexicographicallyPrecedes($1) }
    }

    @Test("what was counted for a backend goes with it, after the grace period")
    func leaves() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...2)])
        // The datapath makes these entries.
        for id in [UInt32(1), 2] {
            bench.store.contents.maps[.backendCounters, default: [:]][bytes(id)] = bytes(backend_counter(forwarded: 5))
        }
        let state = try ProgrammedState.read(from: bench.store)
        #expect(state.ports.flatMap(\.backends).map(\.forwarded) == [5, 5])
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: [2, 3])])
        #expect(counted(bench.store.contents).count == 2)
        _ = try bench.writer.reclaim()
        #expect(counted(bench.store.contents) == [bytes(UInt32(2))])
        let later = try ProgrammedState.read(from: bench.store)
        #expect(later.ports.flatMap(\.backends).map(\.forwarded) == [5, 0])
    }

    @Test("a backend stays until its counter could be removed")
    func retries() throws {
        var bench = try Bench()
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: 1...2)])
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: [2])])
        bench.store.refuses = { _, map in map == .backendCounters }
        _ = try bench.writer.reclaim()
        #expect(bench.store.contents.maps[.backends4]?.count == 2)
        bench.store.refuses = { _, _ in false }
        _ = try bench.writer.reclaim()
        #expect(bench.store.contents.maps[.backends4]?.count == 1)
    }

    @Test("without counting there is nothing to read and nothing to remove")
    func off() throws {
        let capacities = MapCapacities(services: 16, slots: 16, backends: 8, affinity: 1, possibleCPUs: 1)
        #expect(!capacities.countsBackends)
        var bench = try Bench(capacities: capacities)
        _ = bench.writer.apply(upserts: [Bench.service("web", at: 1, pods: [1])])
        _ = bench.writer.apply(removals: [Bench.name("web")])
        bench.store.refuses = { _, map in map == .backendCounters }
        _ = try bench.writer.reclaim()
        #expect(bench.store.contents.maps[.backends4]?.isEmpty == true)
        #expect(try ProgrammedState.read(from: bench.store).ports.isEmpty)
    }
}
