import NIOCore
import NIOPosix
import ServiceModel
import ServiceNames
import Synchronization
import Testing

@testable import DNSMessage
@testable import NameServer

/// Questions about names that are not ours.
@Suite("forwarding")
struct ForwardingTests {
    private static let group = MultiThreadedEventLoopGroup.singleton

    /// A resolver with a zone of one alias, in front of servers of others; its clock stands until it is moved.
    private struct Bench {
        let resolver: NameResolver
        let clock = Clock()

        final class Clock: Sendable {
            let seconds = Mutex<UInt64>(100)
            func pass(_ time: UInt64) { seconds.withLock { $0 += time } }
        }

        init(_ servers: [FakeUpstream], patience: TimeAmount = .seconds(30)) throws {
            let table = NameTable(.init(domain: try #require(DomainName("cluster.local"))))
            var alias = Service(name: ObjectName(namespace: "default", name: "outside"))
            alias.kind = .externalName
            alias.externalName = "www.example.com"
            var api = Service(name: ObjectName(namespace: "default", name: "api"))
            api.clusterIPs = [try #require(IPAddress("10.96.0.10"))]
            table.update([alias, api].map { ($0.name, ServiceRecords($0, slices: [])) }, isComplete: true)
            resolver = NameResolver(
                table: table, admission: Admission(allowed: []), counters: NameServerCounters(),
                upstream: Upstream(servers.map(\.address), group: ForwardingTests.group, patience: patience),
                seconds: { [clock] in clock.seconds.withLock { $0 } })
        }

        func ask(_ message: [UInt8], _ transport: NameResolver.Transport = .datagram) async throws -> [UInt8] {
            let client = try #require(IPAddress("127.0.0.1"))
            let (answers, continuation) = AsyncStream.makeStream(of: [UInt8].self)
            switch resolver.resolve(message, from: client, transport, later: { continuation.yield($0) }) {
            case .answer(let answer): return answer
            case .silence: return []
            case .later:
                var iterator = answers.makeAsyncIterator()
                return try #require(await iterator.next())
            }
        }
    }

    private static func query(_ name: String, _ type: RecordType = .a, id: UInt16 = 0xabcd, tail: [UInt8] = [])
        -> [UInt8]
    {
        var bytes = Query.message(for: Question(DomainName(name) ?? .root, type))
        (bytes[0], bytes[1]) = (id.high, id.low)
        if !tail.isEmpty { bytes[11] = 1 }
        return bytes + tail
    }

    /// An answer of one address, or of so many.
    private static func answer(
        to message: [UInt8], _ code: ResponseCode = .noError, timeToLive: UInt32 = 60, count: Int = 1, limit: Int = 512
    ) -> [UInt8] {
        guard let query = try? Query(message) else { return [] }
        var response = Response(code)
        response.offersRecursion = true
        if code == .noError {
            response.answers = (0..<count).map {
                Record(
                    query.question.name, timeToLive: timeToLive, .address([192, 0, UInt8($0 / 256), UInt8($0 % 256)]))
            }
        }
        return response.encoded(for: query, limit: limit)
    }

    private static func code(_ bytes: [UInt8]) -> UInt8 { bytes.count > 3 ? bytes[3] & 0xf : 255 }

    @Test("a question goes on as it is, and its answer comes back as it is, under the client's id and spelling")
    func unchanged() async throws {
        // With the DO bit and an option that nothing here knows: a cookie.
        let tail: [UInt8] = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]
        let unknown: [UInt8] = [0xc0, 12, 0xff, 0x01, 0, 1, 0, 0, 0, 60, 0, 3, 9, 9, 9]
        let upstream = try await FakeUpstream { message, _ in
            var answer = Self.answer(to: message) + unknown
            answer[7] += 1
            return [answer]
        }
        let bench = try Bench([upstream])
        var message = Self.query("www.example.com", tail: tail)
        message[13] = UInt8(ascii: "W")
        let answer = try await bench.ask(message)
        let asked = try #require(upstream.asked.first)
        #expect(Array(asked[2...]) == Array(message[2...]))
        #expect(Array(answer.prefix(2)) == [0xab, 0xcd])
        #expect(answer[13] == UInt8(ascii: "W"))
        #expect(Array(answer.suffix(unknown.count)) == unknown)
    }

    @Test("an answer is remembered for as long as it says, and no longer; its time runs on")
    func remembers() async throws {
        let upstream = try await FakeUpstream { message, _ in [Self.answer(to: message, timeToLive: 60)] }
        let bench = try Bench([upstream])
        _ = try await bench.ask(Self.query("www.example.com"))
        bench.clock.pass(59)
        let known = try await bench.ask(Self.query("WWW.example.com", id: 7))
        #expect(upstream.asked.count == 1)
        #expect(Array(known.prefix(2)) == [0, 7])
        #expect(ForeignResponse(known)?.lifetime == 1)
        bench.clock.pass(1)
        _ = try await bench.ask(Self.query("www.example.com"))
        #expect(upstream.asked.count == 2)
        // A client that wants signatures gets another answer.
        _ = try await bench.ask(Self.query("www.example.com", tail: [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]))
        #expect(upstream.asked.count == 3)
        #expect(bench.resolver.counters[.cached] == 1)
    }

    @Test("an answer to a question with options is for its client alone: a cookie of another one would be refused")
    func options() async throws {
        let upstream = try await FakeUpstream { message, _ in [Self.answer(to: message)] }
        let bench = try Bench([upstream])
        let cookie: [UInt8] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]
        for _ in 0..<2 { _ = try await bench.ask(Self.query("www.example.com", tail: cookie)) }
        #expect(upstream.asked.count == 2)
        #expect(bench.resolver.remembered.answers == 0)
        // Those without are remembered, by whether signatures are wanted, and whether the client checks them itself.
        for (flag, signatures) in [(0, 0), (0x10, 0), (0, 0x80)] as [(UInt8, UInt8)] {
            var question = Self.query("www.example.com", tail: [0, 0, 41, 4, 208, 0, 0, signatures, 0, 0, 0])
            question[3] |= flag
            for _ in 0..<2 {
                #expect(ForeignResponse(try await bench.ask(question))?.hasAnswers == true)
            }
            #expect(upstream.asked.last.map { Array($0[2...]) } == Array(question[2...]))
        }
        #expect(upstream.asked.count == 5)
    }

    @Test("a client that takes a large datagram gets one")
    func large() async throws {
        let upstream = try await FakeUpstream { message, _ in [Self.answer(to: message, count: 200, limit: 4096)] }
        let bench = try Bench([upstream])
        let answer = try await bench.ask(Self.query("many.example.com", tail: [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]))
        let read = try #require(ForeignResponse(answer))
        #expect(answer.count > 3000 && !read.isTruncated)
        #expect(read.addresses(for: read.question).count == 200)
    }

    @Test("the signatures' bit AD of an answer comes through, from what is remembered, too")
    func authenticated() async throws {
        let upstream = try await FakeUpstream { message, _ in
            var answer = Self.answer(to: message)
            answer[3] |= 0x20
            return [answer]
        }
        let bench = try Bench([upstream])
        for _ in 0..<2 {
            let answer = try await bench.ask(
                Self.query("www.example.com", tail: [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]))
            #expect(answer[3] & 0x20 != 0)
        }
        #expect(upstream.asked.count == 1)
    }

    @Test("failures are not remembered")
    func forgetsFailures() async throws {
        let upstream = try await FakeUpstream { message, _ in [Self.answer(to: message, .serverFailure)] }
        let bench = try Bench([upstream])
        for _ in 0..<2 { #expect(Self.code(try await bench.ask(Self.query("www.example.com"))) == 2) }
        // Each question was asked twice: of one server that cannot answer, too.
        #expect(upstream.asked.count == 4)
    }

    @Test("a server that is silent, or cannot answer, is followed by the next", arguments: [true, false])
    func secondTry(isSilent: Bool) async throws {
        let bad = try await FakeUpstream { message, _ in isSilent ? [] : [Self.answer(to: message, .serverFailure)] }
        let good = try await FakeUpstream { message, _ in [Self.answer(to: message)] }
        let bench = try Bench([bad, good], patience: isSilent ? .seconds(2) : .seconds(30))
        #expect(ForeignResponse(try await bench.ask(Self.query("www.example.com")))?.hasAnswers == true)
        #expect(bad.asked.count == 1)
        #expect(good.asked.count == 1)
    }

    @Test("servers that are silent cost one question the wait, and are asked last from then on")
    func silentOnce() async throws {
        let silent = try await FakeUpstream { _, _ in [] }
        let other = try await FakeUpstream { _, _ in [] }
        let good = try await FakeUpstream { message, _ in [Self.answer(to: message)] }
        let bench = try Bench([silent, other, good], patience: .seconds(2))
        // Two servers are asked for a question, so that the third comes with the next one.
        #expect(Self.code(try await bench.ask(Self.query("a.example.com"))) == 2)
        for name in ["b", "c", "d"] {
            let answer = try await bench.ask(Self.query("\(name).example.com"))
            #expect(ForeignResponse(answer)?.hasAnswers == true)
        }
        #expect(silent.asked.count == 1)
        #expect(other.asked.count == 1)
    }

    @Test("where no server answers in time the client is told")
    func noAnswer() async throws {
        let silent = try await FakeUpstream { _, _ in [] }
        let bench = try Bench([silent], patience: .milliseconds(100))
        #expect(Self.code(try await bench.ask(Self.query("www.example.com"))) == 2)
        #expect(silent.asked.count == 2)
        #expect(bench.resolver.counters[.upstreamFailed] == 1)
    }

    @Test("what is no answer to the question is passed over: another id, another name, a question, noise")
    func forged() async throws {
        let upstream = try await FakeUpstream { message, _ in
            var otherID = Self.answer(to: message, count: 3)
            otherID[0] ^= 0xff
            var otherName = Self.query("evil.example.com")
            (otherName[0], otherName[1]) = (message[0], message[1])
            return [otherID, Self.answer(to: otherName, count: 3), message, [], [1, 2, 3], Self.answer(to: message)]
        }
        let bench = try Bench([upstream])
        let answer = try #require(ForeignResponse(try await bench.ask(Self.query("www.example.com"))))
        #expect(answer.addresses(for: answer.question).count == 1)
        #expect(upstream.asked.count == 1)
    }

    @Test("an answer that was cut off says so to a client over UDP, and comes whole over TCP")
    func truncated() async throws {
        let upstream = try await FakeUpstream { message, way in
            [Self.answer(to: message, count: 300, limit: way == .datagram ? 512 : 65_535)]
        }
        let bench = try Bench([upstream])
        let cut = try #require(ForeignResponse(try await bench.ask(Self.query("many.example.com"))))
        #expect(cut.isTruncated)
        let whole = try #require(ForeignResponse(try await bench.ask(Self.query("many.example.com"), .stream)))
        #expect(whole.addresses(for: whole.question).count == 300)
        // What is remembered of it does not fit a datagram, so that a client over UDP is told as before.
        let again = try #require(ForeignResponse(try await bench.ask(Self.query("many.example.com"))))
        #expect(again.isTruncated)
    }

    @Test("an alias of ours goes on with what others say of its end, by TCP if need be")
    func continuesAlias() async throws {
        let upstream = try await FakeUpstream { message, way in
            [Self.answer(to: message, count: 60, limit: way == .datagram ? 512 : 65_535)]
        }
        let bench = try Bench([upstream])
        let question = Self.query("outside.default.svc.cluster.local")
        let answer = try #require(ForeignResponse(try await bench.ask(question, .stream)))
        let records = answer.addresses(for: answer.question)
        #expect(records.count == 61)
        #expect(records.first?.type == .cname)
        bench.clock.pass(10)
        let again = try #require(ForeignResponse(try await bench.ask(question, .stream)))
        #expect(again.addresses(for: again.question).last?.timeToLive == 50)
        #expect(upstream.asked.count == 2)
    }

    @Test("an alias whose end does not exist says so, and one whose end cannot be asked for fails")
    func aliasToNothing() async throws {
        let upstream = try await FakeUpstream { message, _ in [Self.answer(to: message, .nameError)] }
        let question = Self.query("outside.default.svc.cluster.local")
        let answer = try await Bench([upstream]).ask(question)
        #expect(Self.code(answer) == 3)
        #expect(ForeignResponse(answer)?.hasAnswers == true)
        let silent = try await FakeUpstream { _, _ in [] }
        #expect(Self.code(try await Bench([silent], patience: .milliseconds(50)).ask(question)) == 2)
    }

    @Test("an alias that leads back to a name of ours by way of others has its end")
    func aliasLeadsBack() async throws {
        let upstream = try await FakeUpstream { message, _ in
            guard let query = try? Query(message), let back = DomainName("api.default.svc.cluster.local") else {
                return []
            }
            var response = Response(.nameError)
            response.answers = [Record(query.question.name, timeToLive: 60, .alias(back))]
            return [response.encoded(for: query, limit: 512)]
        }
        let bench = try Bench([upstream])
        for _ in 0..<2 {
            let answer = try await bench.ask(Self.query("outside.default.svc.cluster.local"))
            #expect(Self.code(answer) == 0)
            #expect(Array(answer.suffix(4)) == [10, 96, 0, 10])
        }
    }

    @Test("what many ask at one time is asked once, and each has the answer under its own id")
    func asksTogether() async throws {
        let silent = try await FakeUpstream { _, _ in [] }
        let bench = try Bench([silent], patience: .seconds(2))
        let (answers, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        let client = try #require(IPAddress("127.0.0.1"))
        for id: UInt16 in 1...100 {
            _ = bench.resolver.resolve(Self.query("www.example.com", id: id), from: client, .datagram) {
                continuation.yield($0)
            }
        }
        var iterator = answers.makeAsyncIterator()
        var ids: Set<UInt16> = []
        for _ in 0..<100 { ids.insert(DNSClient.id(try #require(await iterator.next()))) }
        #expect(ids == Set(1...100))
        #expect(silent.asked.count == Upstream.tries)
    }

    @Test("the AD bit is passed on, and an answer to it is for those that set it")
    func authenticData() async throws {
        let upstream = try await FakeUpstream { message, _ in
            var answer = Self.answer(to: message)
            answer[3] |= message[3] & 0x20
            return [answer]
        }
        let bench = try Bench([upstream])
        var question = Self.query("www.example.com")
        #expect(try await bench.ask(question)[3] & 0x20 == 0)
        question[3] |= 0x20
        for _ in 0..<2 { #expect(try await bench.ask(question)[3] & 0x20 != 0) }
        #expect(upstream.asked.count == 2)
    }

    @Test(
        "an answer that is larger than the client takes is cut off, when it comes and when it is remembered",
        arguments: [(nil, 512), (600, 600), (4096, 4096)] as [(UInt16?, Int)])
    func cutsOff(payload: UInt16?, limit: Int) async throws {
        let upstream = try await FakeUpstream { message, _ in [Self.answer(to: message, count: 60, limit: 65_535)] }
        let bench = try Bench([upstream])
        let tail: [UInt8] = payload.map { [0, 0, 41, $0.high, $0.low, 0, 0, 0x80, 0, 0, 0] as [UInt8] } ?? []
        for _ in 0..<2 {
            let answer = try await bench.ask(Self.query("big.example.com", tail: tail))
            #expect(answer.count <= limit)
            let response = try #require(ForeignResponse(answer))
            #expect(response.isTruncated == (limit < 60 * 16))
            #expect(answer[11] == (payload == nil ? 0 : 1), "the extensions are there still")
            let count = response.addresses(for: response.question).count
            #expect(count > 20, "what fits is there: some clients have no TCP")
            let whole = try await bench.ask(Self.query("big.example.com", tail: tail), .stream)
            #expect(try #require(ForeignResponse(whole)).isTruncated == false)
        }
    }

    @Test("no more questions wait for others than there are sockets for, and half of them for one client")
    func boundsWaiting() async throws {
        let silent = try await FakeUpstream { _, _ in [] }
        let bench = try Bench([silent])
        let (answers, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        /// How many are told at once that there is no room.
        func ask(_ client: String, _ count: Int) throws {
            let address = try #require(IPAddress(client))
            for number in 0..<count {
                _ = bench.resolver.resolve(Self.query("n\(number).\(client)"), from: address, .datagram) {
                    continuation.yield($0)
                }
            }
        }
        try ask("127.0.0.1", Upstream.mostWaiting / 2 + 3)
        #expect(bench.resolver.counters[.dropped] == 3)
        try ask("127.0.0.2", Upstream.mostWaiting / 2)
        #expect(bench.resolver.counters[.dropped] == 3)
        try ask("127.0.0.3", 1)
        #expect(bench.resolver.counters[.dropped] == 4)
        var iterator = answers.makeAsyncIterator()
        for _ in 0..<4 { #expect(Self.code(try #require(await iterator.next())) == 2) }
    }

    @Test("what is remembered has a bound, and the oldest goes first")
    func boundsCache() throws {
        var cache = AnswerCache()
        let size = 20_000
        let names = (0..<1000).map { Question(DomainName("n\($0).example.com") ?? .root, .txt) }
        for question in names {
            let query = try Query(Query.message(for: question))
            var response = Response()
            response.answers = (0..<(size / 267)).map {
                Record(question.name, timeToLive: 60, .text(String(repeating: "\($0 % 10)", count: 255)))
            }
            let bytes = response.encoded(for: query, limit: 65_535)
            cache.keep(try #require(ForeignResponse(bytes)), for: .init(question), at: 0)
        }
        #expect(cache.bytes <= AnswerCache.mostBytes)
        #expect(cache.count > 100)
        #expect(cache.find(.init(names[0]), at: 0) == nil)
        #expect(cache.find(.init(names[999]), at: 0) != nil)
    }

    @Test("small answers have a bound, too: each costs more than its message")
    func boundsSmallAnswers() throws {
        var cache = AnswerCache()
        let most = AnswerCache.mostBytes / AnswerCache.overhead
        for number in 0..<(2 * most) {
            let question = Question(try #require(DomainName("n\(number).example.com")), .a)
            let answer = Self.answer(to: Query.message(for: question))
            cache.keep(try #require(ForeignResponse(answer)), for: .init(question), at: 0)
        }
        #expect(cache.count <= most && cache.count > most / 2)
        #expect(cache.bytes <= AnswerCache.mostBytes)
    }
}
