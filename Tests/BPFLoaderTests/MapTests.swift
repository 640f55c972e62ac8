@testable import BPFLoader
import SystemPackage
import TestKit
import Testing

extension KernelTests {
    @Suite struct MapTests {
        static func numbers(
            _ type: BPFMapType = .hash, entries: Int = 16, valueSize: Int = 8, flags: UInt32 = 0
        ) throws(BPFError) -> BPFMap {
            try BPFMap.create(
                type, name: "test_numbers", keySize: 4, valueSize: valueSize, maxEntries: entries, flags: flags)
        }

        @Test("what is written is read", arguments: [BPFMapType.hash, .lruHash, .array])
        func roundTrip(type: BPFMapType) throws {
            let map = try Self.numbers(type)
            try map.update(UInt32(3), to: UInt64(33))
            #expect(try map.lookup(UInt32(3), as: UInt64.self) == 33)
            try map.update(UInt32(3), to: UInt64(34), mode: .exist)
            #expect(try map.lookup(UInt32(3)) == UInt64(34))
        }

        @Test("a missing key is nil, and deleting it is no error")
        func missing() throws {
            let map = try Self.numbers()
            #expect(try map.lookup(UInt32(1), as: UInt64.self) == nil)
            #expect(try map.delete(UInt32(1)) == false)
            try map.update(UInt32(1), to: UInt64(1))
            #expect(try map.delete(UInt32(1)) == true)
        }

        @Test("the mode of an update is kept")
        func modes() throws {
            let map = try Self.numbers()
            #expect(
                cause { () throws(BPFError) in try map.update(UInt32(1), to: UInt64(1), mode: .exist) }
                    == .noSuchFileOrDirectory)
            try map.update(UInt32(1), to: UInt64(1), mode: .noExist)
            #expect(
                cause { () throws(BPFError) in try map.update(UInt32(1), to: UInt64(2), mode: .noExist) }
                    == .fileExists)
            #expect(try map.lookup(UInt32(1)) == UInt64(1))
        }

        @Test("a type of another size is refused before the kernel sees it")
        func sizes() throws {
            let map = try Self.numbers()
            #expect(cause { () throws(BPFError) in _ = try map.lookup(UInt64(1), as: UInt64.self) } == .invalidArgument)
            #expect(cause { () throws(BPFError) in try map.update(UInt32(1), to: UInt32(1)) } == .invalidArgument)
            #expect(map.updateBatch(keys: [UInt32(1)], values: [UInt16(1)]).failure?.cause == .invalidArgument)
        }

        @Test("a full map says how big it is")
        func full() throws {
            let map = try Self.numbers(entries: 2)
            let outcome = map.updateBatch(keys: [1, 2, 3, 4] as [UInt32], values: [1, 2, 3, 4] as [UInt64])
            #expect(outcome.completed == 2)
            #expect(
                outcome.failure?.description
                    == "cannot update test_numbers with 3 → 3: map is full (2); create it with more entries")
        }

        @Test("five thousand entries come back", arguments: [BPFMapType.hash, .array])
        func many(type: BPFMapType) throws {
            let map = try Self.numbers(type, entries: 5_000)
            let keys = (0..<5_000).map(UInt32.init)
            let outcome = map.updateBatch(keys: keys, values: keys.map { UInt64($0) * 3 })
            #expect(outcome.completed == 5_000)
            #expect(outcome.failure == nil)
            let entries = try map.entries(key: UInt32.self, value: UInt64.self)
            #expect(entries.map(\.key).sorted() == keys)
            #expect(entries.allSatisfy { $0.value == UInt64($0.key) * 3 })
            #expect(try map.rawEntries().count == 5_000)
        }

        @Test("a batch of deletes passes over what is gone")
        func deleteBatch() throws {
            let map = try Self.numbers(entries: 100)
            let keys = (0..<100).map(UInt32.init)
            try map.updateBatch(keys: keys, values: keys.map(UInt64.init)).check()
            try map.delete(UInt32(0))
            try map.delete(UInt32(50))
            let outcome = map.deleteBatch(keys: keys)
            #expect(outcome.completed == 100)
            #expect(outcome.failure == nil)
            #expect(try map.entries(key: UInt32.self, value: UInt64.self).isEmpty)
        }

        @Test("an array cannot be deleted from, and says so at the first entry")
        func deleteFromArray() throws {
            let outcome = try Self.numbers(.array).deleteBatch(keys: [0, 1] as [UInt32])
            #expect(outcome.completed == 0)
            #expect(outcome.failure?.cause == .invalidArgument)
        }

        @Test("a batch that must not replace stops at what is there")
        func noExistBatch() throws {
            let map = try Self.numbers()
            try map.update(UInt32(2), to: UInt64(20))
            let outcome = map.updateBatch(
                keys: [1, 2, 3] as [UInt32], values: [1, 2, 3] as [UInt64], mode: .noExist)
            #expect(outcome.completed == 1)
            #expect(outcome.failure?.cause == .fileExists)
            #expect(try map.lookup(UInt32(2)) == UInt64(20))
        }

        @Test("a trie of prefixes is written and read, on kernels with batch calls for it and without")
        func trie() throws {
            let noPreallocation: UInt32 = 1
            let map = try BPFMap.create(
                .lpmTrie, name: "test_prefixes", keySize: 8, valueSize: 4, maxEntries: 100, flags: noPreallocation)
            let keys = (0..<100).map { UInt64(32) | UInt64($0) << 32 }
            try map.updateBatch(keys: keys, values: (0..<100).map(UInt32.init)).check()
            let entries = try map.entries(key: UInt64.self, value: UInt32.self)
            #expect(Set(entries.map(\.key)) == Set(keys))
            #expect(map.deleteBatch(keys: keys).completed == 100)
        }

        @Test("both ways of reading a map agree")
        func walk() throws {
            let map = try Self.numbers(entries: 300)
            let keys = (0..<300).map(UInt32.init)
            try map.updateBatch(keys: keys, values: keys.map(UInt64.init)).check()
            var walked: [UInt32: UInt64] = [:]
            try map.forEachKey { walked[$0.loadUnaligned(as: UInt32.self)] = $1.loadUnaligned(as: UInt64.self) }
            let batched = try map.entries(key: UInt32.self, value: UInt64.self)
            #expect(walked.count == 300)
            #expect(batched.count == 300)
            #expect(batched.allSatisfy { walked[$0.key] == $0.value })
        }

        @Test("a range of an array is read", arguments: [0..<0, 0..<1, 0..<10, 3..<7, 5..<10] as [Range<UInt32>])
        func range(range: Range<UInt32>) throws {
            let map = try Self.numbers(.array, entries: 10)
            for index in UInt32(0)..<10 { try map.update(index, to: UInt64(index) + 100) }
            #expect(try map.values(in: range, as: UInt64.self) == range.map { UInt64($0) + 100 })
        }

        @Test("a range past the end of an array is refused")
        func rangePastEnd() throws {
            let map = try Self.numbers(.array, entries: 10)
            #expect(
                cause { () throws(BPFError) in _ = try map.values(in: 5..<11, as: UInt64.self) }
                    == .argListTooLong)
            #expect(cause { () throws(BPFError) in try map.update(UInt32(10), to: UInt64(1)) } == .argListTooLong)
        }

        @Test("a per-CPU map has a value for each CPU", arguments: [BPFMapType.perCPUHash, .perCPUArray])
        func perCPU(type: BPFMapType) throws {
            // Four bytes, which the kernel rounds up to eight.
            let map = try Self.numbers(type, valueSize: 4)
            try map.zeroPerCPU(UInt32(1))
            let values: [UInt32]? = try map.lookupPerCPU(UInt32(1))
            #expect(values?.isEmpty == false)
            #expect(values?.allSatisfy { $0 == 0 } == true)
            #expect(cause { () throws(BPFError) in _ = try map.lookup(UInt32(1), as: UInt32.self) } == .invalidArgument)
            let entries = try map.perCPUEntries(key: UInt32.self, value: UInt32.self)
            #expect(entries.first { $0.key == 1 }?.value == values)
            #expect(try map.rawEntries().first?.value.count == (values?.count ?? 0) * 8)
        }

        @Test("a pinned map is found again with its contents, after its owner is gone")
        func pin() throws {
            let directory = try PinDirectory()
            let path = directory.path.appending("numbers")
            func write() throws {
                let map = try Self.numbers()
                try map.update(UInt32(7), to: UInt64(77))
                try map.pin(at: path)
                #expect(cause { () throws(BPFError) in try map.pin(at: path) } == .fileExists)
            }
            try write()
            let restored = try BPFMap(pinnedAt: path)
            #expect(try restored.lookup(UInt32(7)) == UInt64(77))
            #expect(restored.name == "test_numbers")
            #expect(try unpin(path))
            #expect(try !unpin(path))
            #expect(cause { () throws(BPFError) in _ = try BPFMap(pinnedAt: path) } == .noSuchFileOrDirectory)
        }

        @Test("a map describes itself")
        func info() throws {
            let info = try Self.numbers(entries: 1_000).info
            #expect(info.name == "test_numbers")
            #expect(info.type == .hash)
            #expect("\(info.type)" == "hash")
            #expect((info.keySize, info.valueSize, info.maxEntries) == (4, 8, 1_000))
            #expect(info.memory >= 12_000)
        }
    }
}
