import Glibc
import KubernetesAPI
import KubernetesObjects
import Observability
import ServiceMaps
import ServiceModel
import Synchronization
import TestKit
import Testing
@testable import SwiftletDaemon

@Suite("The control plane: batches in, maps out")
struct ControlPlaneTests {
    @Test("a list is in the maps whole, and a change writes what it changes")
    func batches() async throws {
        let plane = try MemoryControlPlane()
        let first = await plane.control.ingestFirst(try Objects.list(0..<3))
        #expect(first.services == 3 && first.failures.isEmpty)
        #expect(plane.count(.services4) == 3 && plane.count(.backends4) == 6 && plane.count(.servicePorts) == 3)
        let written = plane.store.log.count
        let again = await plane.control.ingest(StateBatch(events: try Objects.service(1)))
        #expect(again.writes == 0 && plane.store.log.count == written)
        _ = await plane.control.ingest(StateBatch(events: [.serviceGone(Objects.name(1))]))
        #expect(plane.count(.services4) == 2)
    }

    @Test("what an earlier process left stays until the first complete list, and goes with it")
    func prunes() async throws {
        let before = try MemoryControlPlane()
        _ = await before.control.ingestFirst(try Objects.list(0..<2))
        let after = try MemoryControlPlane(before.store)
        _ = await after.control.ingest(StateBatch(events: try Objects.service(0)))
        #expect(after.count(.services4) == 2)
        _ = await after.control.ingest(try Objects.list(0..<1))
        #expect(after.count(.services4) == 1)
    }

    /// Without any Node, NodePorts are at all addresses, public ones too.
    @Test("spec 56: a Node that is gone when a daemon starts leaves the NodePorts where they are")
    func remembersNode() async throws {
        let (own, other) = try (#require(IPAddress("192.0.2.1")), #require(IPAddress("203.0.113.9")))
        var node = Node(name: "node")
        node.addresses = [own]
        func start() async throws -> MemoryControlPlane {
            let plane = try MemoryControlPlane()
            await plane.control.setLocalAddresses([own, other], podRoutes: [], held: [])
            return plane
        }
        let before = try await start()
        _ = await before.control.ingestFirst(StateBatch(events: [.node(node)], isInitial: true))
        let addresses = await before.control.nodePortAddresses
        #expect(!addresses.contains(other))
        _ = await before.control.ingest(StateBatch(events: [.nodeGone("node")]))
        #expect(await before.control.nodePortAddresses == addresses)
        let cached = try #require(await before.control.completeState?.events)
        #expect(cached == [.node(node)])

        let after = try await start()
        #expect(await after.control.nodePortAddresses.contains(other))
        await after.control.remember(node)
        _ = await after.control.ingestFirst(StateBatch(events: [], isInitial: true))
        #expect(await after.control.nodePortAddresses == addresses)
    }

    @Test("what stays because a manifest cannot be used says so, with the manifest")
    func keeps() async throws {
        let before = try MemoryControlPlane()
        _ = await before.control.ingestFirst(try Objects.list(0..<2))
        let after = try MemoryControlPlane(before.store)
        let torn = StateProblem(.unparsable, origin: "/manifests/b.yaml", cause: "no YAML", advice: "correct it")
            .hiding(.anything)
        _ = await after.control.ingestFirst(
            StateBatch(events: try Objects.service(0), problems: [torn], isInitial: true))
        let reports = await after.control.serviceReports()
        #expect(reports.map(\.name) == ["web-1", "web-0"] && after.count(.services4) == 2)
        let kept = "kept from before: /manifests/b.yaml cannot be parsed"
        #expect(reports.first?.problems == [kept])
        #expect(await after.control.keptLines == ["default/web-1 is \(kept)"])
    }

    @Test("a Service whose slices cannot be read is served on, and is not said to have no endpoints")
    func withholds() async throws {
        let before = try MemoryControlPlane()
        _ = await before.control.ingestFirst(try Objects.list(0..<1))
        let after = try MemoryControlPlane(before.store)
        let torn = StateProblem(.unparsable, origin: "/manifests/b.yaml", cause: "no YAML", advice: "correct it")
            .hiding(.anything)
        let service = try Objects.service(0).filter { if case .service = $0 { true } else { false } }
        _ = await after.control.ingestFirst(StateBatch(events: service, problems: [torn], isInitial: true))
        let report = try #require(await after.control.serviceReports().first)
        #expect(report.ports.allSatisfy { $0.reason == nil } && after.count(.backends4) == 2)
        #expect(report.problems == ["kept from before: /manifests/b.yaml cannot be parsed"])
        #expect(await after.control.wanted.emptyServices == EmptyServices())
        let served = try #require(await after.control.served("default/web-0"))
        #expect(served.kept.map(\.isInMaps) == [true])
        let early = try MemoryControlPlane(before.store)
        #expect(await early.control.served("default/web-0")?.kept.map(\.cause) == ["no complete list has come yet"])
    }

    @Test("what names a Service is why it is kept; of many that do not, the number is told")
    func suspects() async throws {
        func broken(_ file: String, _ names: [String]?) -> StateProblem {
            StateProblem(.unparsable, origin: "/m/\(file).yaml", cause: "no YAML", advice: "correct it")
                .hiding(.anything, naming: names)
        }
        let before = try MemoryControlPlane()
        _ = await before.control.ingestFirst(try Objects.list(0..<2))
        let after = try MemoryControlPlane(before.store)
        let problems = [broken("a", nil), broken("b", ["other"]), broken("c", ["x", "web-1"]), broken("d", nil)]
        _ = await after.control.ingestFirst(StateBatch(problems: problems, isInitial: true))
        let lines = await after.control.keptLines
        #expect(
            lines == [
                "default/web-1 is kept from before: /m/c.yaml cannot be parsed",
                "default/web-0 is kept from before: 2 manifests cannot be used",
            ])
    }

    @Test("what a Service is served by is handed over whole, and of others the slices are not")
    func served() async throws {
        let plane = try MemoryControlPlane()
        #expect(await plane.control.served("*/web-1") == nil)
        _ = await plane.control.ingestFirst(try Objects.list(0..<3))
        let served = try #require(await plane.control.served("*/web-1"))
        let events = ObjectLines.events(of: served.objects)
        #expect(served.subjects.map(\.object) == [Objects.name(1)] && served.kept.isEmpty)
        #expect(events.count { if case .service = $0 { true } else { false } } == 3)
        #expect(events.compactMap { if case .slice(let slice) = $0 { slice.serviceName } else { nil } } == ["web-1"])
    }

    @Test("of the Services at an address the one is meant that has the port, and all of them where none has")
    func subjects() async throws {
        let plane = try MemoryControlPlane()
        let shared = IPAddress(v4: 0xc633_6407)
        let other = try Objects.port(81)
        let services = try (0..<2).flatMap { number in
            try Objects.service(number) { service in
                service.externalIPs = [shared]
                if number == 1 { service.ports[0].port = other }
            }
        }
        _ = await plane.control.ingestFirst(StateBatch(events: services, isInitial: true))
        #expect(await plane.control.subjects(of: "\(shared):81") == [Objects.name(1)])
        #expect(await plane.control.subjects(of: "\(shared):82@default/curl") == [Objects.name(0), Objects.name(1)])
        #expect(await plane.control.subject(of: "\(shared):81@default/curl").client?.name == "curl")
        #expect(await plane.control.subjects(of: "\(shared)").count == 2)
        #expect(await plane.control.subjects(of: "*/web-1") == [Objects.name(1)])
    }

    @Test("services tell what is in the way of a port, and what to know of one that has endpoints")
    func tells() async throws {
        let plane = try MemoryControlPlane()
        var unready = EndpointSlice(name: Objects.name(0), serviceName: "web-0", addressType: .ipv4)
        unready.ports = [.init(port: try Objects.port(8080))]
        unready.endpoints = [Endpoint(address: IPAddress(v4: 1), ready: false, serving: false, pod: "web-a")]
        var last = unready
        last.name = Objects.name(1)
        last.serviceName = "web-1"
        last.endpoints = [Endpoint(address: IPAddress(v4: 1), ready: false, terminating: true, pod: "web-b")]
        let services = try [0, 1].map { try Objects.service($0)[0] }
        _ = await plane.control.ingestFirst(
            StateBatch(events: services + [.slice(unready), .slice(last)], isInitial: true))
        let ports = await plane.control.serviceReports().flatMap(\.ports)
        #expect(ports.map(\.reason) == ["1 endpoint, none ready: web-a (readiness)", nil])
        #expect(ports.map(\.reasonCode) == ["notReady", nil])
        #expect(ports.map(\.remark) == [nil, "terminating, serving (fallback): web-b"])
    }

    @Test("a cache is taken only while nothing better is known")
    func cached() async throws {
        let plane = try MemoryControlPlane()
        #expect(await plane.control.ingest(cached: StateBatch(events: try Objects.service(0))) != nil)
        #expect(await plane.control.ingest(cached: StateBatch(events: try Objects.service(1))) == nil)
        #expect(plane.count(.services4) == 1)
    }

    @Test("a port for which there is no room waits, and is written when there is")
    func retries() async throws {
        let plane = try MemoryControlPlane(services: 4)
        let first = await plane.control.ingestFirst(try Objects.list(0..<5))
        #expect(first.failures.count == 1)
        #expect(await plane.control.pendingPorts == 1 && plane.count(.services4) == 4)
        #expect(plane.warnings.withLock { $0.map(\.reason) } == ["NotProgrammed"])
        let problems = await plane.control.serviceReports().flatMap(\.problems)
        #expect(problems.count == 1 && problems.allSatisfy { $0.contains("services4 is full (4)") }, "\(problems)")
        let served = try #require(await plane.control.servedNumber(in: 0..<5))
        _ = await plane.control.ingest(StateBatch(events: [.serviceGone(Objects.name(served))]))
        await plane.control.reclaim()
        for _ in 0..<16 where await plane.control.pendingPorts > 0 { await plane.control.retry() }
        #expect(await plane.control.pendingPorts == 0 && plane.count(.services4) == 4)
    }

    @Test("thousands of failures are some lines of the log, and the number of the others")
    func fewLines() async throws {
        let plane = try MemoryControlPlane(services: 4)
        _ = await plane.control.ingestFirst(try Objects.list(0..<104))
        let lines = plane.lines.all.filter { !$0.hasPrefix("programmed") }
        #expect(lines.count { $0.hasPrefix("a Service is not programmed cause=") } == LogRun.most)
        #expect(lines.last == "and more of the same line=a Service is not programmed more=\(100 - LogRun.most)")
    }

    @Test("changes pass between the portions in which thousands of ports are tried again")
    func portions() async throws {
        let plane = try MemoryControlPlane(services: 4)
        _ = await plane.control.ingestFirst(try Objects.list(0..<200))
        #expect(await plane.control.pendingPorts == 196)
        let rounds = { plane.endpoints.sync.statistics.syncs.count }
        let before = rounds()
        await plane.control.retry()
        #expect(rounds() - before == 4)
    }

    @Test("what found room is no problem of its Service any more, though others go on waiting")
    func recovers() async throws {
        let plane = try MemoryControlPlane(services: 4)
        _ = await plane.control.ingestFirst(try Objects.list(0..<6))
        let served = try #require(await plane.control.servedNumber(in: 0..<6))
        _ = await plane.control.ingest(StateBatch(events: [.serviceGone(Objects.name(served))]))
        await plane.control.reclaim()
        for _ in 0..<16 where await plane.control.pendingPorts > 1 { await plane.control.retry() }
        #expect(await plane.control.pendingPorts == 1)
        #expect(await plane.control.serviceReports().flatMap(\.problems).count == 1)
    }

    @Test("backends stay until a grace period has passed, and their sockets are told of then")
    func reclaims() async throws {
        let plane = try MemoryControlPlane()
        _ = await plane.control.ingestFirst(try Objects.list(0..<2))
        _ = await plane.control.ingest(
            StateBatch(events: [
                .serviceGone(Objects.name(0)), .sliceGone(ObjectName(namespace: "default", name: "web-0-x")),
            ]))
        #expect(plane.count(.services4) == 1 && plane.count(.backends4) == 4)
        #expect(!plane.store.log.contains(.grace))
        await plane.control.reclaim()
        #expect(plane.store.log.contains(.grace))
        #expect(plane.count(.backends4) == 2 && plane.count(.servicePorts) == 1)
    }

    @Test("a write that the kernel refuses leaves its change waiting, as health sees it, until it is written")
    func health() async throws {
        let plane = try MemoryControlPlane()
        _ = await plane.control.ingestFirst(try Objects.list(0..<1))
        let batch = StateBatch(events: try Objects.service(1))
        plane.store.refuses = { _, map in map == .services4 }
        plane.control.arrived(batch)
        _ = await plane.control.ingest(batch)
        #expect(plane.endpoints.sync.statistics.services.pending > 0)
        plane.store.refuses = { _, _ in false }
        for _ in 0..<16 where await plane.control.pendingPorts > 0 { await plane.control.retry() }
        #expect(plane.endpoints.sync.statistics.services.pending == 0 && plane.count(.services4) == 2)
    }

    @Test("of two Services that claim one frontend the older keeps it, and the owner of the other is told once")
    func conflicts() async throws {
        let plane = try MemoryControlPlane()
        let shared = IPAddress(v4: 0xc633_6407)
        let both = try (0..<2).flatMap { try Objects.service($0) { $0.externalIPs = [shared] } }
        _ = await plane.control.ingestFirst(StateBatch(events: both, isInitial: true))
        _ = await plane.control.ingest(StateBatch(events: try Objects.service(2)))
        #expect(plane.warnings.withLock { $0.map(\.reason) } == ["FrontendConflict"])
        #expect(plane.warnings.withLock { $0.map(\.service) } == [Objects.name(1)])
        #expect(plane.count(.services4) == 4)
    }

    @Test("a Service that loses thousands of addresses has one line, in the log, in status and in its Event")
    func manyConflicts() async throws {
        let plane = try MemoryControlPlane()
        let shared = (0..<100).map { IPAddress(v4: 0xc633_6400 + UInt32($0)) }
        let both = try (0..<2).flatMap { try Objects.service($0) { $0.externalIPs = shared } }
        _ = await plane.control.ingestFirst(StateBatch(events: both, isInitial: true))
        let line =
            "default/web-1 cannot have 198.51.100.0:80/TCP: default/web-0 holds it; 99 more of its frontends are held, too"
        let logged = plane.lines.all.filter { $0.hasPrefix("two Services claim one frontend") }
        #expect(logged == ["two Services claim one frontend conflict=\(line)"])
        #expect(plane.warnings.withLock { $0.count } == 1)
        #expect(await plane.control.serviceReports().map(\.problems) == [[], [line]])
        #expect(await plane.control.compiler.conflicts.lines.map(\.text) == [line])
    }

    @Test("a NodePort on which a program listens is named from an API server, too")
    func listening() async throws {
        let plane = try MemoryControlPlane()
        let listener = try Listener()
        let address = IPAddress(v4: 0xc000_0201)
        await plane.control.setLocalAddresses([address], podRoutes: [], held: [])
        let port = try Objects.port(Int(listener.port))
        let events = try Objects.service(0) { service in
            service.kind = .nodePort
            service.ports[0].nodePort = port
        }
        _ = await plane.control.ingestFirst(StateBatch(events: events, isInitial: true))
        let doubts = await plane.control.doubts
        #expect(doubts.count == 1 && doubts[0].contains("listens on its NodePort \(port)"), "\(doubts)")
    }
}

/// A TCP socket that listens on a port which the kernel chooses.
private struct Listener: ~Copyable {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(listen(number, 1) == 0)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        try #require(status == 0)
        descriptor = number
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }
}

extension ControlPlane {
    /// A Service that is in the maps.
    func servedNumber(in numbers: Range<Int>) -> Int? {
        let pending = Set((writer?.pending ?? []).map(\.service))
        return numbers.first { !pending.contains(Objects.name($0)) }
    }
}
