import DNSMessage
import ServiceModel
import Synchronization

/// A question for the upstream servers.
struct AskedQuestion: Sendable {
    var message: [UInt8]
    var question: Question
    var transport: NameResolver.Transport
    /// What makes its answer another client's too; nil: it is its client's alone.
    var key: AnswerCache.Key?

    var overStream: AskedQuestion {
        var asked = self
        asked.transport = .stream
        return asked
    }
}

/// Asks upstream once for all that ask the same at one time: each question more would be one more that a forged answer
/// could fit (RFC 5452 5).
final class AskedTogether: Sendable {
    private struct Flight: Hashable {
        var key: AnswerCache.Key
        var transport: NameResolver.Transport
    }

    typealias Waiter = @Sendable (Result<ForeignResponse, Upstream.Failure>) -> Void

    /// Clients that wait for an answer that another one's question brings.
    static let mostJoined = 8 * Upstream.mostWaiting

    private let flights = Mutex<[Flight: [Waiter]]>([:])
    private let joined = ClientShares(all: mostJoined, each: mostJoined / 2)

    /// - Parameter then: called once, on any event loop.
    func ask(_ asked: AskedQuestion, _ upstream: Upstream, for client: IPAddress, then: @escaping Waiter) {
        guard let key = asked.key else {
            return upstream.ask(asked.message, asked.question, asked.transport, for: client, then: then)
        }
        let flight = Flight(key: key, transport: asked.transport)
        switch join(flight, client, then) {
        case .joined: break
        case .full: then(.failure(.busy))
        case .first:
            upstream.ask(asked.message, asked.question, asked.transport, for: client) { [self] result in
                let waiters = flights.withLock { $0.removeValue(forKey: flight) ?? [] }
                then(result)
                for waiter in waiters { waiter(result) }
            }
        }
    }

    private enum Place { case first, joined, full }

    private func join(_ flight: Flight, _ client: IPAddress, _ then: @escaping Waiter) -> Place {
        flights.withLock { flights in
            if flights[flight] == nil {
                flights[flight] = []
                return .first
            }
            guard let share = joined.enter(client) else { return .full }
            flights[flight]?.append { result in
                share.leave()
                then(result)
            }
            return .joined
        }
    }
}
