import Synchronization

/// Addresses that cannot be listened on now, each with the reason: for `status` and the metrics.
public final class ListenProblems: Sendable {
    private let texts = Mutex<[ListenAddress: String]>([:])

    public init() {}

    /// Sorted; empty when everything that should be listened on is.
    public var all: [String] { texts.withLock { $0.values.sorted() } }

    /// Nil when the address is well.
    func set(_ address: ListenAddress, to text: String?) { texts.withLock { $0[address] = text } }

    func text(of address: ListenAddress) -> String? { texts.withLock { $0[address] } }
}
