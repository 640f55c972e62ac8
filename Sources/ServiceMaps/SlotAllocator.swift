/// A stretch of `slots4` or `slots6`: the backends that a frontend chooses from.
package struct SlotRun: Sendable, Hashable {
    package var first: UInt32
    package var count: UInt32

    package init(first: UInt32, count: UInt32) {
        self.first = first
        self.count = count
    }

    /// No backend at all. Slot 0 is never part of a run, so `first_slot: 0` reads as what it is.
    package static let none = SlotRun(first: 0, count: 0)

    var end: UInt32 { first + count }
}

/// Why no run of the wanted length can be had.
enum SlotShortage: Error, Hashable {
    /// Fewer slots are free than wanted.
    case exhausted(free: UInt32)
    /// Enough slots are free, but not next to each other.
    case fragmented(free: UInt32, longest: UInt32)
}

/// Hands out runs of slots: the shortest free stretch that fits, and the lowest of equals.
///
/// Free stretches are kept in two sorted arrays of packed numbers, one by place and one by length. Both are found by
/// binary search; what an insertion moves is a few kilobytes even in a badly fragmented map.
struct SlotAllocator {
    private(set) var capacity: UInt32
    private(set) var free: UInt32
    /// `first << 32 | count`, ascending.
    private var byPlace: [UInt64] = []
    /// `count << 32 | first`, ascending.
    private var byLength: [UInt64] = []

    /// All slots but slot 0 are free.
    init(capacity: UInt32) {
        self.capacity = capacity
        free = 0
        if capacity > 1 { insert(SlotRun(first: 1, count: capacity - 1)) }
    }

    /// As it was when these runs had been handed out; none may overlap another.
    init(capacity: UInt32, taken: [SlotRun]) {
        self.capacity = capacity
        free = 0
        var next: UInt32 = 1
        for run in taken.sorted(by: { $0.first < $1.first }) where run.count > 0 {
            precondition(run.first >= next && run.end <= capacity, "runs of slots overlap")
            if run.first > next { insert(SlotRun(first: next, count: run.first - next)) }
            next = run.end
        }
        if next < capacity { insert(SlotRun(first: next, count: capacity - next)) }
    }

    /// Adds free slots behind the last one; fewer than there are change nothing.
    mutating func grow(to capacity: UInt32) {
        // Slot 0 is never handed out.
        let first = max(self.capacity, 1)
        guard capacity > first else { return }
        self.capacity = capacity
        release(SlotRun(first: first, count: capacity - first))
    }

    var longestFree: UInt32 { byLength.last.map { UInt32($0 >> 32) } ?? 0 }

    mutating func allocate(_ count: UInt32) throws(SlotShortage) -> SlotRun {
        precondition(count > 0, "an empty run needs no slots")
        let index = Self.position(of: UInt64(count) << 32, in: byLength)
        guard index < byLength.count else {
            throw free < count ? .exhausted(free: free) : .fragmented(free: free, longest: longestFree)
        }
        let found = SlotRun(
            first: UInt32(truncatingIfNeeded: byLength[index]), count: UInt32(byLength[index] >> 32))
        remove(found)
        if found.count > count { insert(SlotRun(first: found.first + count, count: found.count - count)) }
        return SlotRun(first: found.first, count: count)
    }

    /// Takes back a run, and joins it with its free neighbours.
    mutating func release(_ run: SlotRun) {
        guard run.count > 0 else { return }
        precondition(run.first > 0 && run.end <= capacity, "not a run of this map")
        var joined = run
        let index = Self.position(of: UInt64(run.first) << 32, in: byPlace)
        if index < byPlace.count {
            let next = Self.byPlace(byPlace[index])
            precondition(next.first >= run.end, "a run is released twice")
            if next.first == run.end { joined.count += next.count }
        }
        if index > 0 {
            let previous = Self.byPlace(byPlace[index - 1])
            precondition(previous.end <= run.first, "a run is released twice")
            if previous.end == run.first {
                joined = SlotRun(first: previous.first, count: previous.count + joined.count)
                remove(previous)
            }
        }
        if joined.end > run.end { remove(SlotRun(first: run.end, count: joined.end - run.end)) }
        insert(joined)
    }

    // MARK: - The two lists

    private mutating func insert(_ run: SlotRun) {
        let (place, length) = Self.packed(run)
        byPlace.insert(place, at: Self.position(of: place, in: byPlace))
        byLength.insert(length, at: Self.position(of: length, in: byLength))
        free += run.count
    }

    private mutating func remove(_ run: SlotRun) {
        let (place, length) = Self.packed(run)
        byPlace.remove(at: Self.position(of: place, in: byPlace))
        byLength.remove(at: Self.position(of: length, in: byLength))
        free -= run.count
    }

    private static func packed(_ run: SlotRun) -> (place: UInt64, length: UInt64) {
        (UInt64(run.first) << 32 | UInt64(run.count), UInt64(run.count) << 32 | UInt64(run.first))
    }

    private static func byPlace(_ packed: UInt64) -> SlotRun {
        SlotRun(first: UInt32(packed >> 32), count: UInt32(truncatingIfNeeded: packed))
    }

    /// Where the first element that is not less than `value` is.
    private static func position(of value: UInt64, in list: [UInt64]) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
