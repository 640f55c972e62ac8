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
            guard case .answerable(let id, let opcode, let wantsRecursion) = error, admission.admits(client) else {
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
        switch table.answer(query.question) {
        case .answer(let response):
            counters.count(.answered)
            return .answer(encoded(response, query, limit))
        case .alias(let response, let target): return follow(target, response, query, limit, later)
        case .elsewhere: return forward(query, message, transport, later)
        }
    }

    private func encoded(_ response: Response, _ query: Query, _ limit: Int) -> [UInt8] {
        var response = response
        response.offersRecursion = upstream != nil
        return response.encoded(for: query, limit: limit)
    }

    private func forward(
        _ query: Query, _ message: [UInt8], _ transport: Transport, _ later: @escaping @Sendable ([UInt8]) -> Void
    ) -> Outcome {
        guard let upstream, query.wantsRecursion else {
            counters.count(.notServed)
            return .answer(encoded(Response(.refused), query, 512))
        }
        let key = AnswerCache.Key(query)
        if let key, let (response, age) = cache.withLock({ $0.find(key, at: now) }) {
            let bytes = response.encoded(for: query, age: age)
            if transport == .stream || bytes.count <= query.largestDatagram {
                counters.count(.cached)
                return .answer(bytes)
            }
        }
        upstream.ask(message, query.question, transport) { [self] result in
            switch result {
            case .success(let response):
                counters.count(.forwarded)
                if let key { cache.withLock { $0.keep(response, for: key, at: now) } }
                later(response.encoded(for: query, age: 0))
            case .failure(let failure):
                counters.count(failure == .busy ? .dropped : .upstreamFailed)
                later(encoded(Response(.serverFailure), query, 512))
            }
        }
        return .later
    }

    /// The end of an alias, as the upstream servers know it. Without them the alias alone is the answer.
    private func follow(
        _ target: DomainName, _ response: Response, _ query: Query, _ limit: Int,
        _ later: @escaping @Sendable ([UInt8]) -> Void
    ) -> Outcome {
        guard let upstream, query.wantsRecursion else {
            counters.count(.answered)
            return .answer(encoded(response, query, limit))
        }
        let question = Question(target, query.question.type)
        let key = AnswerCache.Key(question)
        if let (found, age) = cache.withLock({ $0.find(key, at: now) }) {
            counters.count(.answered)
            return .answer(encoded(response.continued(by: found, question, age: age), query, limit))
        }
        let message = Query.message(for: question)
        upstream.ask(message, question, .datagram) { [self] result in
            guard case .success(let found) = result, !found.isTruncated else {
                return askAgain(question, message, result, upstream) { [self] found in
                    finish(response, with: found, question, key, query, limit, later)
                }
            }
            finish(response, with: found, question, key, query, limit, later)
        }
        return .later
    }

    /// An answer that was cut off is asked for again over TCP.
    private func askAgain(
        _ question: Question, _ message: [UInt8], _ result: Result<ForeignResponse, Upstream.Failure>,
        _ upstream: Upstream, then: @escaping @Sendable (ForeignResponse?) -> Void
    ) {
        guard case .success(let cut) = result else { return then(nil) }
        upstream.ask(message, question, .stream) { then((try? $0.get()) ?? cut) }
    }

    private func finish(
        _ response: Response, with found: ForeignResponse?, _ question: Question, _ key: AnswerCache.Key,
        _ query: Query, _ limit: Int, _ later: @Sendable ([UInt8]) -> Void
    ) {
        guard let found else {
            counters.count(.upstreamFailed)
            return later(encoded(Response(.serverFailure), query, limit))
        }
        counters.count(.answered)
        cache.withLock { $0.keep(found, for: key, at: now) }
        later(encoded(response.continued(by: found, question, age: 0), query, limit))
    }
}

extension Response {
    /// An alias with what it leads to, as another server said it so many seconds ago.
    fileprivate func continued(by found: ForeignResponse, _ question: Question, age: UInt32) -> Response {
        var response = self
        // Beyond our own zone nothing is ours to vouch for.
        response.answers += found.addresses(for: question).map { record in
            var record = record
            record.timeToLive -= min(age, record.timeToLive)
            return record
        }
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
