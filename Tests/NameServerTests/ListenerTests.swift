import NIOCore
import NIOPosix
import ServiceModel
import ServiceNames
import Testing

@testable import DNSMessage
@testable import NameServer

/// What clients meet at the sockets of one address.
@Suite("listeners")
struct ListenerTests {
    private static let api = "my-api.default.svc.cluster.local"
    private static let db = "db.default.svc.cluster.local"
    /// Endpoints of `db`: more than a datagram takes.
    private static let endpoints = 100

    /// A server on a port of loopback, which the test's end takes away.
    private final class Bench {
        let resolver: NameResolver
        let address: SocketAddress
        private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

        init(
            idleTime: TimeAmount = .seconds(60), upstream: FakeUpstream? = nil, patience: TimeAmount = .seconds(20)
        ) async throws {
            let table = NameTable(.init(domain: try #require(DomainName("cluster.local"))))
            var api = Service(name: ObjectName(namespace: "default", name: "my-api"))
            api.clusterIPs = [try #require(IPAddress("10.96.0.15"))]
            var db = Service(name: ObjectName(namespace: "default", name: "db"))
            db.isHeadless = true
            var slice = EndpointSlice(
                name: ObjectName(namespace: "default", name: "db-1"), serviceName: "db", addressType: .ipv4)
            slice.endpoints = (0..<ListenerTests.endpoints).map {
                Endpoint(address: IPAddress(v4: 0x0af4_0000 + UInt32($0)))
            }
            table.update(
                [(api.name, ServiceRecords(api, slices: [])), (db.name, ServiceRecords(db, slices: [slice]))],
                isComplete: true)
            resolver = NameResolver(
                table: table, admission: Admission(allowed: []), counters: NameServerCounters(),
                upstream: upstream.map { [group] in Upstream([$0.address], group: group, patience: patience) })
            let listener = try await onFreePort { [resolver, group] in
                try await NameListener(
                    at: SocketAddress(ipAddress: "127.0.0.1", port: 0), resolver, idleTime: idleTime, group)
            }
            address = try #require(listener.address)
        }

        deinit { group.shutdownGracefully { _ in } }

        func client(_ way: DNSClient.Way = .stream, buffer: Int32? = nil, host: Int = 1) throws -> DNSClient {
            let source = try SocketAddress(ipAddress: "127.0.0.\(host)", port: 0)
            return try DNSClient(way, to: address, of: self, buffer: buffer, from: source)
        }
    }

    @Test("a connection takes many questions at once, more than wait for answers, and in pieces of any size")
    func pipelines() async throws {
        let bench = try await Bench()
        let client = try bench.client()
        let ids = Set<UInt16>(1...200)
        let questions = ids.sorted().flatMap { DNSClient.framed(DNSClient.query(Self.api, id: $0)) }
        #expect(client.send(questions))
        #expect(try Set(ids.map { _ in DNSClient.id(try client.answer().bytes) }) == ids)
        for byte in DNSClient.framed(DNSClient.query(Self.api, id: 7)) { #expect(client.send([byte])) }
        let answer = try client.answer()
        #expect(answer.addresses(for: answer.question).count == 1)
        #expect(bench.resolver.counters[.answered] == 201)
    }

    @Test("questions that others must be asked for wait their turn on a connection; none is lost")
    func pipelinesForwarded() async throws {
        let upstream = try await FakeUpstream { message, _ in
            guard let query = try? Query(message) else { return [] }
            return [Response(.nameError).encoded(for: query, limit: 512)]
        }
        let bench = try await Bench(upstream: upstream)
        let client = try bench.client()
        let ids = Set<UInt16>(1...(3 * UInt16(StreamQuestions.mostWaiting)))
        #expect(
            client.send(ids.flatMap { DNSClient.framed(DNSClient.query("n\($0).example.com", id: $0)) }))
        #expect(try Set(ids.map { _ in DNSClient.id(try client.answer().bytes) }) == ids)
    }

    @Test("a client that reads no answers is read no further, and gets every answer when it reads")
    func bounds() async throws {
        let bench = try await Bench()
        let client = try bench.client(buffer: 4096)
        client.wait(for: 1)
        let question = DNSClient.framed(DNSClient.query(Self.api, id: 1))
        let portion = Array(repeating: question, count: 500).flatMap { $0 }
        // What the kernel keeps for both ends has an end, too: far below this.
        let most = 4 << 20
        var sent = 0
        while sent < most, client.send(portion) { sent += portion.count }
        #expect(sent < most, "the server has read \(sent) bytes, and sent nothing that was read")
        client.wait(for: 20)
        for _ in 0..<(sent / question.count) { #expect(try client.message() != nil) }
    }

    @Test("a client that asks much, reads nothing and goes costs the others nothing")
    func leavesAfterAsking() async throws {
        let bench = try await Bench()
        let others = try bench.client(.datagram, host: 2)
        let questions = (0..<1000).flatMap { DNSClient.framed(DNSClient.query(Self.db, id: $0)) }
        do {
            let greedy = try (0..<8).map { _ in try bench.client(buffer: 4096) }
            for client in greedy {
                client.wait(for: 1)
                client.send(questions)
            }
            others.send(DNSClient.query(Self.api, id: 1))
            #expect(DNSClient.id(try others.receive()) == 1)
        }
        others.send(DNSClient.query(Self.api, id: 2))
        #expect(DNSClient.id(try others.receive()) == 2)
        // 8,000 were asked, and an answer of 1,600 bytes each fills what the kernel keeps after some dozens.
        #expect(bench.resolver.counters[.answered] < 4000)
    }

    @Test("a connection without a whole question is closed, though bytes come now and then", arguments: [false, true])
    func idles(trickles: Bool) async throws {
        let bench = try await Bench(idleTime: .milliseconds(500))
        let client = try bench.client()
        if trickles {
            // A long message, of which each byte comes well within the time.
            client.send([0xff, 0xff])
            var hasEnded = false
            for _ in 0..<200 where !hasEnded {
                hasEnded = !client.send([0])
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(hasEnded, "ten seconds are open for bytes that ask nothing")
        } else {
            #expect(try client.receive().isEmpty)
        }
        // On a busy machine a client may be late with its question.
        #expect(try (0..<20).contains { _ in try Self.isAnswered(bench.client()) })
    }

    @Test("a client that waits for others' answer is not idle")
    func waits() async throws {
        let silent = try await FakeUpstream { _, _ in [] }
        let bench = try await Bench(idleTime: .milliseconds(300), upstream: silent, patience: .seconds(1))
        let client = try bench.client()
        client.send(DNSClient.framed(DNSClient.query("www.example.com", id: 5)))
        let answer = try client.answer()
        #expect(answer.code == .serverFailure)
        #expect(try client.message() == nil)
    }

    private static func isAnswered(_ client: DNSClient) throws -> Bool {
        client.send(DNSClient.framed(DNSClient.query(api, id: 9)))
        return try client.message() != nil
    }

    @Test("connections have a bound: one more is closed, and those before are served; one that goes makes room")
    func boundsConnections() async throws {
        let bench = try await Bench()
        var clients = try (0..<NameServer.mostConnections).map { try bench.client(host: 1 + $0 % 8) }
        // Connections are taken in turn: with an answer on the last all are there.
        #expect(try Self.isAnswered(clients[clients.count - 1]))
        #expect(try bench.client().receive().isEmpty)
        #expect(try Self.isAnswered(clients[0]))
        clients.removeFirst(8)
        var isServed = false
        for _ in 0..<200 where !isServed {
            isServed = try Self.isAnswered(bench.client())
            if !isServed { try await Task.sleep(for: .milliseconds(50)) }
        }
        #expect(isServed)
    }

    @Test("a client that takes all connections that it can leaves others theirs")
    func sharesConnections() async throws {
        let bench = try await Bench()
        let greedy = try (0..<(NameServer.mostConnections / 4)).map { _ in try bench.client() }
        #expect(try Self.isAnswered(greedy[greedy.count - 1]))
        #expect(try bench.client().receive().isEmpty)
        #expect(try Self.isAnswered(bench.client(host: 2)))
        #expect(try Self.isAnswered(greedy[0]))
    }

    @Test("a client that has closed its half gets the answer that others are asked for, too")
    func halfClosedForwarded() async throws {
        let upstream = try await FakeUpstream { message, _ in
            guard let query = try? Query(message) else { return [] }
            return [Response(.nameError).encoded(for: query, limit: 512)]
        }
        let client = try await Bench(upstream: upstream).client()
        client.send([3, 4].flatMap { DNSClient.framed(DNSClient.query("www.example.com", id: $0)) })
        client.endWriting()
        #expect(try Set([client.message(), client.message()].map { DNSClient.id(try #require($0)) }) == [3, 4])
        #expect(try client.message() == nil)
    }

    @Test("a client that has closed its half gets its answer, and the connection's end")
    func halfClosed() async throws {
        let client = try await Bench().client()
        client.send(DNSClient.framed(DNSClient.query(Self.api, id: 3)))
        client.endWriting()
        #expect(try client.message().map(DNSClient.id) == 3)
        #expect(try client.message() == nil)
    }

    @Test("what is no question is counted; over UDP it gets no answer, over TCP the connection's end")
    func malformed() async throws {
        let bench = try await Bench()
        let datagrams = try bench.client(.datagram)
        var response = DNSClient.query(Self.api, id: 1)
        response[2] |= 0x80
        for noise in [[], [1, 2, 3], response, [UInt8](repeating: 0xff, count: 4000)] { datagrams.send(noise) }
        datagrams.send(DNSClient.query(Self.api, id: 2))
        // The first thing that comes back is the answer to the question.
        #expect(DNSClient.id(try datagrams.receive()) == 2)
        let before = bench.resolver.counters[.malformed]
        #expect(before >= 3)
        let stream = try bench.client()
        stream.send([0, 3, 1, 2, 3])
        #expect(try stream.message() == nil)
        #expect(bench.resolver.counters[.malformed] == before + 1)
    }

    @Test(
        "an answer fits what the client takes: 512 bytes, what it says by EDNS, 1,232 at most; over TCP it is whole",
        arguments: [(nil, 512), (0, 512), (600, 600), (1232, 1232), (4096, 1232)] as [(UInt16?, Int)])
    func sizes(payload: UInt16?, limit: Int) async throws {
        let bench = try await Bench()
        // With the bit DO, which an answer repeats (RFC 3225 3).
        let tail: [UInt8] = payload.map { [0, 0, 41, $0.high, $0.low, 0, 0, 0x80, 0, 0, 0] } ?? []
        let client = try bench.client(.datagram)
        client.send(DNSClient.query(Self.db, id: 1, tail: tail))
        let bytes = try client.receive()
        // As much as fits: another record, of 16 bytes, would not.
        #expect(bytes.count <= limit && bytes.count > limit - 16)
        let cut = try #require(ForeignResponse(bytes))
        #expect(cut.isTruncated && cut.code == .noError)
        if payload != nil { #expect(bytes.suffix(11) == [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]) }
        let stream = try bench.client()
        stream.send(DNSClient.framed(DNSClient.query(Self.db, id: 2, tail: tail)))
        let whole = try stream.answer()
        #expect(!whole.isTruncated && whole.addresses(for: whole.question).count == Self.endpoints)
    }

    @Test("addresses take turns in being first")
    func turns() async throws {
        let client = try await Bench().client()
        var firsts: Set<[UInt8]> = []
        for id in UInt16(0)..<4 {
            client.send(DNSClient.framed(DNSClient.query(Self.db, id: id)))
            let answer = try client.answer()
            let records = answer.addresses(for: answer.question)
            #expect(Set(records).count == Self.endpoints)
            if case .address(let address) = records[0].content { firsts.insert(address) }
        }
        #expect(firsts.count == 4)
    }
}
