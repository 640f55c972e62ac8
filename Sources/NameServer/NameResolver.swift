import DNSMessage
import NIOCore
import ServiceModel
import ServiceNames
import Synchronization

/// Decides what is said to a message: from the zone, from what is remembered, or by asking upstream.
final class NameResolver: Sendable {
    /// How the question came, which decides how large the answer may be.
    enum Transport { case datagram, stream }

    enum Outcome {
        case answer([UInt8])
        /// The answer is on its way.
        case later
        /// Nothing is said to it.
        case silence
    }

    let table: NameTable
    let admission: Admission
    let counters: NameServerCounters
    private let upstream: Upstream?
    private let cache = Mutex(AnswerCache())
    private let together = AskedTogether()
    private let seconds: @Sendable () -> UInt64

    /// - Parameters:
    ///   - upstream: nil where names that are not ours are refused.
    ///   - seconds: a clock that never goes back.
    init(
        table: NameTable, admission: Admission, counters: NameServerCounters, upstream: Upstream?,
        seconds: @escaping @Sendable () -> UInt64 = NameResolver.uptime
    ) {
        self.table = table
        self.admission = admission
        self.counters = counters
        self.upstream = upstream
        self.seconds = seconds
    }

    private static let start = ContinuousClock.now
    static let uptime: @Sendable () -> UInt64 = { UInt64((ContinuousClock.now - start).components.seconds) }

    /// Answers of upstream servers that are remembered, and their bytes.
    var remembered: (answers: Int, bytes: Int) { cache.withLock { ($0.count, $0.bytes) } }

    private var now: UInt64 { seconds() }

    /// Decides at once where that is possible.
    ///
    /// - Parameter later: called once with the answer, on any event loop, where others have to be asked first.
    func resolve(
        _ message: [UInt8], from client: IPAddress, _ transport: Transport, later: @escaping @Sendable ([UInt8]) -> Void
    ) -> Outcome {
        let query: Query
        do throws(MalformedMessage) {
            query = try Query(message)
        } catch {
            counters.count(.malformed)
            guard case .forbidden(let id, let opcode, let wantsRecursion) = error, admission.admits(client) else {
                return .silence
            }
            return .answer(Response.formatError(id: id, opcode: opcode, wantsRecursion: wantsRecursion))
        }
        let limit = transport == .datagram ? query.largestDatagram : 65_535
        guard admission.admits(client) else {
            counters.count(.refused)
            return admission.mayRefuse(at: now)
                ? .answer(Response(.refused).encoded(for: query, limit: limit)) : .silence
        }
        if let code = query.refusal {
            counters.count(.notServed)
            return .answer(encoded(Response(code), query, limit))
        }
        switch table.answer(query.question, Excerpt(limit: limit, turn: Int(query.id))) {
        case .answer(let response):
            counters.count(.answered)
            return .answer(encoded(response, query, limit))
        case .alias(let response, let target):
            let alias = Alias(response: response, target: target, query: query, limit: limit)
            return follow(alias, for: client, later)
        case .elsewhere: return forward(query, message, from: client, transport, later)
        }
    }

    private func encoded(_ response: Response, _ query: Query, _ limit: Int) -> [UInt8] {
        var response = response
        response.offersRecursion = upstream != nil
        return response.encoded(for: query, limit: limit)
    }

    private func forward(
        _ query: Query, _ message: [UInt8], from client: IPAddress, _ transport: Transport,
        _ later: @escaping @Sendable ([UInt8]) -> Void
    ) -> Outcome {
        guard let upstream, query.wantsRecursion else {
            counters.count(.notServed)
            return .answer(encoded(Response(.refused), query, 512))
        }
        let limit = transport == .datagram ? query.largestForeignDatagram : 65_535
        let key = AnswerCache.Key(query)
        if let key, let (response, age) = cache.withLock({ $0.find(key, at: now) }) {
            counters.count(.cached)
            return .answer(response.encoded(for: query, age: age, limit: limit))
        }
        let asked = AskedQuestion(message: message, question: query.question, transport: transport, key: key)
        together.ask(asked, upstream, for: client) { [self] result in
            switch result {
            case .success(let response):
                counters.count(.forwarded)
                if let key { cache.withLock { $0.keep(response, for: key, at: now) } }
                later(response.encoded(for: query, age: 0, limit: limit))
            case .failure(let failure):
                counters.count(failure == .busy ? .dropped : .upstreamFailed)
                later(encoded(Response(.serverFailure), query, 512))
            }
        }
        return .later
    }

    /// An alias of ours that leads beyond the zone, and what was asked.
    private struct Alias: Sendable {
        var response: Response
        var target: DomainName
        var query: Query
        var limit: Int

        var question: Question { Question(target, query.question.type) }
    }

    /// The end of an alias, as the upstream servers know it. Without them the alias alone is the answer.
    private func follow(
        _ alias: Alias, for client: IPAddress, _ later: @escaping @Sendable ([UInt8]) -> Void
    ) -> Outcome {
        guard let upstream, alias.query.wantsRecursion else {
            counters.count(.answered)
            return .answer(encoded(alias.response, alias.query, alias.limit))
        }
        let question = alias.question
        if let (found, age) = cache.withLock({ $0.find(AnswerCache.Key(question), at: now) }) {
            counters.count(.answered)
            return .answer(completed(alias, by: found, age: age))
        }
        let asked = AskedQuestion(
            message: Query.message(for: question), question: question, transport: .datagram,
            key: AnswerCache.Key(question))
        together.ask(asked, upstream, for: client) { [self] result in
            guard case .success(let found) = result, found.isTruncated else {
                return finish(alias, by: try? result.get(), later)
            }
            // An answer that was cut off is asked for again over TCP.
            together.ask(asked.overStream, upstream, for: client) { [self] result in
                finish(alias, by: (try? result.get()) ?? found, later)
            }
        }
        return .later
    }

    private func finish(_ alias: Alias, by found: ForeignResponse?, _ later: @Sendable ([UInt8]) -> Void) {
        guard let found else {
            counters.count(.upstreamFailed)
            return later(encoded(Response(.serverFailure), alias.query, alias.limit))
        }
        counters.count(.answered)
        cache.withLock { $0.keep(found, for: AnswerCache.Key(alias.question), at: now) }
        later(completed(alias, by: found, age: 0))
    }

    /// The alias and what another server said of its end, which may lead back to a name that only we know.
    private func completed(_ alias: Alias, by found: ForeignResponse, age: UInt32) -> [UInt8] {
        var response = alias.response.continued(by: found, alias.question, age: age)
        if case .alias(let back)? = response.answers.last?.content,
            case .answer(let end) = table.answer(
                Question(back, alias.question.type), Excerpt(limit: alias.limit, turn: Int(alias.query.id)))
        {
            response.code = end.code
            response.answers += end.answers
            response.authorities = end.authorities
        }
        return encoded(response, alias.query, alias.limit)
    }
}

extension Record {
    fileprivate func aged(by seconds: UInt32) -> Record {
        var record = self
        record.timeToLive -= min(seconds, record.timeToLive)
        return record
    }
}

extension Response {
    /// An alias with what it leads to, as another server said it so many seconds ago.
    fileprivate func continued(by found: ForeignResponse, _ question: Question, age: UInt32) -> Response {
        var response = self
        // Beyond our own zone nothing is ours to vouch for.
        response.answers += found.addresses(for: question).map { $0.aged(by: age) }
        if let authority = found.authority { response.authorities = [authority.aged(by: age)] }
        switch found.code {
        case .noError, .nameError: response.code = found.code
        default: response.code = .serverFailure
        }
        return response
    }
}

extension Query {
    /// Why a query is none that is answered here; nil if it is.
    fileprivate var refusal: ResponseCode? {
        if let extensions, extensions.version > 0 { return .badVersion }
        guard opcode == .query else { return .notImplemented }
        switch question.type {
        case .axfr, .ixfr: return .refused
        default: return question.recordClass == Question.internet ? nil : .refused
        }
    }
}
