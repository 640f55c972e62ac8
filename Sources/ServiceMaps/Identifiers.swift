/// Names a service port of one IP family in the maps. Dense from 1, because it indexes `service_counts`.
package struct ServiceID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let number: UInt32

    package init(_ number: UInt32) { self.number = number }

    package var description: String { "\(number)" }

    package static func < (left: ServiceID, right: ServiceID) -> Bool { left.number < right.number }

    /// Hardly more are ever given out: what is kept by id may be as long as the highest of these. Others that are found in
    /// the maps are a stranger's.
    var isDense: Bool { number < 1 << 20 }
}

/// Names an endpoint of one service port. Not reused before 2³² others were given out, so that what a client's
/// affinity or an open socket remembers never means another backend.
package struct BackendID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let number: UInt32

    package init(_ number: UInt32) { self.number = number }

    package var description: String { "\(number)" }

    package static func < (left: BackendID, right: BackendID) -> Bool { left.number < right.number }
}

/// Gives out the lowest free service id.
struct ServiceIDPool {
    /// Bit `n` of word `m` stands for the id `64 m + n`; the bit of the id 0 is always set.
    private var words: [UInt64] = [1]
    /// No word before this one has a free bit.
    private var firstOpenWord = 0
    /// Those in use that are not dense.
    private var strays: Set<ServiceID> = []

    mutating func allocate() -> ServiceID {
        var id = allocateNext()
        while strays.contains(id) { id = allocateNext() }
        return id
    }

    private mutating func allocateNext() -> ServiceID {
        while firstOpenWord < words.count, words[firstOpenWord] == .max { firstOpenWord += 1 }
        if firstOpenWord == words.count { words.append(0) }
        let bit = (~words[firstOpenWord]).trailingZeroBitCount
        words[firstOpenWord] |= 1 << UInt64(bit)
        return ServiceID(UInt32(firstOpenWord * 64 + bit))
    }

    /// Takes an id that the maps already use.
    mutating func take(_ id: ServiceID) {
        if !id.isDense {
            strays.insert(id)
            return
        }
        let (word, bit) = (Int(id.number / 64), UInt64(id.number % 64))
        if word >= words.count { words += Array(repeating: 0, count: word + 1 - words.count) }
        words[word] |= 1 << bit
    }

    mutating func release(_ id: ServiceID) {
        precondition(id.number != 0, "0 is no service id")
        strays.remove(id)
        let (word, bit) = (Int(id.number / 64), UInt64(id.number % 64))
        guard word < words.count else { return }
        words[word] &= ~(1 << bit)
        firstOpenWord = min(firstOpenWord, word)
    }
}

/// Gives out backend ids in ascending order; after a wrap it skips those in use.
struct BackendIDSequence {
    private var next: UInt32
    private var hasWrapped = false
    /// The ids in use, known only once the numbers have started again.
    private var used: Set<UInt32>?

    /// Ids that were let go of just before a crash are not seen in the maps: this many are left out.
    private static let gapAfterRestart: UInt32 = 1024

    init(next: UInt32 = 1) { self.next = max(next, 1) }

    /// Goes on after the ids that were found in the maps.
    init(after highest: UInt32) {
        let (next, overflow) = highest.addingReportingOverflow(highest == 0 ? 1 : Self.gapAfterRestart)
        self.init(next: next)
        hasWrapped = overflow
    }

    /// Whether `learn` must be called before the next `allocate`.
    var mustLearn: Bool { hasWrapped && used == nil }

    mutating func learn(inUse ids: Set<UInt32>) { used = ids }

    mutating func allocate() -> BackendID {
        while next == 0 || used?.contains(next) == true { next &+= 1 }
        let id = next
        used?.insert(id)
        next &+= 1
        if next == 0 { hasWrapped = true }
        return BackendID(id)
    }

    mutating func release(_ id: BackendID) { used?.remove(id.number) }
}
