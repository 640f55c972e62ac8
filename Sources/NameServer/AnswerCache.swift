import DNSMessage

/// Answers of upstream servers, for as long as they say, in bounded memory: the oldest go first.
struct AnswerCache {
    struct Key: Hashable {
        var question: Question
        var disablesChecking: Bool
        var wantsAuthenticData: Bool
        var wantsSignatures: Bool
        var hasExtensions: Bool

        /// Nil for a query whose answer is for its client alone: options, such as cookies (RFC 7873), name the client.
        init?(_ query: Query) {
            if query.extensions?.hasOptions == true { return nil }
            question = query.question
            disablesChecking = query.disablesChecking
            wantsAuthenticData = query.wantsAuthenticData
            wantsSignatures = query.extensions?.wantsSignatures ?? false
            hasExtensions = query.extensions != nil
        }

        /// Of a question that is asked in our own name, without extensions.
        init(_ question: Question) {
            self.question = question
            (disablesChecking, wantsAuthenticData, wantsSignatures, hasExtensions) = (false, false, false, false)
        }
    }

    private struct Entry {
        var response: ForeignResponse
        var since: UInt64
        var turn: UInt64
    }

    /// Bytes that are kept at most.
    static let mostBytes = 4 << 20
    /// What an answer costs beside its message, bytes: its key, where its times stand, and its place in the order.
    static let overhead = 512
    /// Seconds: longer times to live are believed as long (RFC 8767 4).
    static let longest: UInt32 = 86_400

    private var entries: [Key: Entry] = [:]
    private var order: [(key: Key, turn: UInt64)] = []
    private var oldest = 0
    private var turn: UInt64 = 0
    private(set) var bytes = 0

    var count: Int { entries.count }

    /// - Parameter now: seconds of a clock that never goes back.
    mutating func find(_ key: Key, at now: UInt64) -> (response: ForeignResponse, age: UInt32)? {
        guard let entry = entries[key] else { return nil }
        let age = now - min(entry.since, now)
        guard age < UInt64(min(entry.response.lifetime, Self.longest)) else {
            remove(key, entry)
            return nil
        }
        return (entry.response, UInt32(age))
    }

    mutating func keep(_ response: ForeignResponse, for key: Key, at now: UInt64) {
        guard response.lifetime > 0, response.bytes.count <= Self.mostBytes / 64 else { return }
        if let entry = entries[key] { remove(key, entry) }
        turn += 1
        entries[key] = Entry(response: response, since: now, turn: turn)
        order.append((key, turn))
        bytes += response.bytes.count + Self.overhead
        while bytes > Self.mostBytes, oldest < order.count {
            let (key, turn) = order[oldest]
            oldest += 1
            if let entry = entries[key], entry.turn == turn { remove(key, entry) }
        }
        // What has left the front, or was replaced, is not kept in the order for ever.
        if oldest > 1024 || order.count > 2 * entries.count + 1024 {
            order = order[oldest...].filter { entries[$0.key]?.turn == $0.turn }
            oldest = 0
        }
    }

    private mutating func remove(_ key: Key, _ entry: Entry) {
        entries[key] = nil
        bytes -= entry.response.bytes.count + Self.overhead
    }
}
