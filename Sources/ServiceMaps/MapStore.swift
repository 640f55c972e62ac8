/// Where the entries are: the pinned maps, or a test's memory. Keys and values are the structs of the map ABI.
///
/// The operations do what the kernel does: each entry is replaced atomically, and a batch is entry after entry.
package protocol MapStore {
    /// Writes entries in order until one fails. In an array the key is the index.
    func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: ServiceMap, keys: [Key], values: [Value]
    ) -> WriteOutcome

    /// Removes entries in order until one fails; what is gone already counts as removed.
    func delete<Key: BitwiseCopyable>(_ map: ServiceMap, keys: [Key]) -> WriteOutcome

    /// Shows all entries, in any order.
    func forEach<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (Key, Value) -> Void
    ) throws(MapError)

    /// The elements of an array at these indices, all of which exist.
    func elements<Value: BitwiseCopyable>(
        _ map: ServiceMap, at indices: Range<UInt32>, as: Value.Type
    ) throws(MapError) -> [Value]

    /// The values of all possible CPUs at one index of a per-CPU array; nil past its end.
    func perCPU<Value: BitwiseCopyable>(
        _ map: ServiceMap, at index: UInt32, as: Value.Type
    ) throws(MapError) -> [Value]?

    /// Shows all entries of a per-CPU hash with the values of all possible CPUs, in any order.
    func forEachPerCPU<Value: BitwiseCopyable>(
        in map: ServiceMap, _ body: (UInt32, [Value]) -> Void
    ) throws(MapError)

    /// Sets a counter to zero on all CPUs; nothing to do past the end of the array.
    func zeroPerCPU(_ map: ServiceMap, at index: UInt32) throws(MapError)

    /// How many entries the map has room for.
    func capacity(of map: ServiceMap) -> UInt32
}

/// How far a batch came.
package struct WriteOutcome: Sendable {
    /// The first so many entries are done.
    package var completed: Int
    /// What became of the entry after them; nil when all are done.
    package var failure: MapError?

    package init(completed: Int, failure: MapError? = nil) {
        self.completed = completed
        self.failure = failure
    }
}

/// Why a map could not be read or written: which, what happened and what to do.
package struct MapError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Cause: Sendable, Hashable {
        /// No room for what a service port needs.
        case full(capacity: UInt32)
        /// Enough slots are free, but no stretch of them is long enough.
        case fragmented(wanted: UInt32, longest: UInt32)
        /// What the kernel said, with its number and in words.
        case kernel(errno: Int32, text: String)
    }

    package var map: ServiceMap
    package var cause: Cause
    /// What to do about it.
    package var advice: String?

    package init(_ map: ServiceMap, _ cause: Cause, advice: String? = nil) {
        self.map = map
        self.cause = cause
        self.advice = advice ?? Self.usualAdvice(map, cause)
    }

    package var description: String {
        let what =
            switch cause {
            case .full(let capacity): "\(map) is full (\(capacity))"
            case .fragmented(let wanted, let longest):
                "\(map) has no \(wanted) free slots in a row (\(longest) at most)"
            case .kernel(_, let text): "\(map): \(text)"
            }
        return advice.map { "\(what); \($0)" } ?? what
    }

    /// It lacks room, and nothing else.
    package var isShortage: Bool {
        if case .kernel = cause { return false }
        return true
    }

    private static func usualAdvice(_ map: ServiceMap, _ cause: Cause) -> String? {
        if case .kernel = cause { return nil }
        return map.about.size.flag.map { "raise \($0)" }
    }
}
