import Testing

@testable import ServiceMaps

@Suite("Slot allocator")
struct SlotAllocatorTests {
    @Test("runs never overlap, and all slots come back", arguments: 0..<20 as Range<UInt64>)
    func property(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let capacity: UInt32 = 400
        var allocator = SlotAllocator(capacity: capacity)
        var live: [SlotRun] = []
        for _ in 0..<400 {
            if Bool.random(using: &random) || live.isEmpty {
                let count = UInt32.random(in: 1...40, using: &random)
                do throws(SlotShortage) {
                    let run = try allocator.allocate(count)
                    #expect(run.first > 0 && run.end <= capacity && run.count == count)
                    #expect(live.allSatisfy { $0.end <= run.first || run.end <= $0.first })
                    live.append(run)
                } catch {
                    #expect(allocator.longestFree < count)
                }
            } else {
                allocator.release(live.remove(at: Int.random(in: live.indices, using: &random)))
            }
            #expect(allocator.free == capacity - 1 - live.reduce(0) { $0 + $1.count })
            let rebuilt = SlotAllocator(capacity: capacity, taken: live)
            #expect(rebuilt.free == allocator.free && rebuilt.longestFree == allocator.longestFree)
        }
        for run in live { allocator.release(run) }
        #expect(allocator.longestFree == capacity - 1)
    }

    @Test("a shortage says whether slots are missing or scattered")
    func shortage() throws {
        var allocator = SlotAllocator(capacity: 10)
        let runs = try (0..<3).map { _ in try allocator.allocate(3) }
        #expect(throws: SlotShortage.exhausted(free: 0)) { try allocator.allocate(1) }
        allocator.release(runs[0])
        allocator.release(runs[2])
        #expect(throws: SlotShortage.fragmented(free: 6, longest: 3)) { try allocator.allocate(4) }
        allocator.release(runs[1])
        #expect(try allocator.allocate(9) == SlotRun(first: 1, count: 9))
    }

    @Test("slots that are added join what is free at the end", arguments: [[], [SlotRun(first: 7, count: 3)]])
    func grows(taken: [SlotRun]) throws {
        var allocator = SlotAllocator(capacity: 10, taken: taken)
        let free = allocator.free
        allocator.grow(to: 25)
        #expect(allocator.capacity == 25 && allocator.free == free + 15)
        let rebuilt = SlotAllocator(capacity: 25, taken: taken)
        #expect(allocator.longestFree == rebuilt.longestFree)
        let longest = try allocator.allocate(allocator.longestFree)
        #expect(longest.end == 25)
        allocator.release(longest)
        #expect(allocator.free == rebuilt.free)
    }

    @Test("a map of one slot, which nobody gets, can grow; none shrinks")
    func growsFromNothing() throws {
        for capacity: UInt32 in [0, 1] {
            var allocator = SlotAllocator(capacity: capacity)
            allocator.grow(to: 3)
            #expect(allocator.free == 2)
            #expect(try allocator.allocate(2) == SlotRun(first: 1, count: 2))
        }
        var allocator = SlotAllocator(capacity: 10)
        allocator.grow(to: 5)
        #expect(allocator.capacity == 10 && allocator.free == 9)
    }

    @Test("the shortest stretch that fits is taken, so that long ones stay long")
    func bestFit() throws {
        let taken = [SlotRun(first: 5, count: 1), SlotRun(first: 8, count: 1)]
        var allocator = SlotAllocator(capacity: 20, taken: taken)
        #expect(try allocator.allocate(2) == SlotRun(first: 6, count: 2))
        #expect(try allocator.allocate(2) == SlotRun(first: 1, count: 2))
    }
}

@Suite("Ids")
struct IdentifierTests {
    @Test("the lowest free service id is given, and never 0")
    func serviceIDs() {
        var pool = ServiceIDPool()
        #expect((1...130).allSatisfy { pool.allocate() == ServiceID($0) })
        pool.release(ServiceID(7))
        pool.release(ServiceID(100))
        pool.take(ServiceID(131))
        #expect([pool.allocate(), pool.allocate(), pool.allocate()] == [ServiceID(7), ServiceID(100), ServiceID(132)])
    }

    @Test("backend ids ascend; after the last one come those that are not in use")
    func backendIDs() {
        var ids = BackendIDSequence(next: .max - 1)
        #expect([ids.allocate(), ids.allocate()] == [BackendID(.max - 1), BackendID(.max)])
        #expect(ids.mustLearn)
        ids.learn(inUse: [.max, 1, 2, 4])
        #expect([ids.allocate(), ids.allocate()] == [BackendID(3), BackendID(5)])
        #expect(BackendIDSequence(after: .max - 5).mustLearn)
        var fresh = BackendIDSequence(after: 0)
        #expect(fresh.allocate() == BackendID(1))
    }
}
