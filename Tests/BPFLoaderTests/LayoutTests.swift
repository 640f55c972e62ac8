import BPFLoader
import CDatapath
import CLibbpf
import TestKit
import Testing

extension KernelTests {
    /// Two maps are alike when their types are, field by field.
    @Suite struct LayoutTests {
        private static func object(_ bytes: bpf_object_bytes) throws -> BPFObject {
            try BPFObject(name: "sock.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        }

        @Test("a map of the kernel has the layout that its object said")
        func agrees() throws {
            let object = try Self.object(swiftlet_sock_object())
            let names = object.mapNames.filter { !$0.contains(".") }
            var layouts: [String: MapLayout] = [:]
            for name in names { layouts[name] = try object.layout(of: name) }
            let loaded = try object.load()
            for name in names {
                let layout = try loaded.map(named: name).layout
                let wanted = try #require(layouts[name])
                #expect(layout.agrees(with: wanted), "\(name): \(layout) is not \(wanted)")
                #expect(layout.difference(from: wanted) == nil)
            }
            #expect(names.count > 15)
        }

        @Test("the same sizes with other fields are another layout")
        func tellsApart() throws {
            let object = try Self.object(swiftlet_sock_object())
            let hash = try object.layout(of: "vips4")
            #expect(hash.value?.contains("unknown_port@0:enum") == true, "\(hash)")
            // Both have a key of 4 bytes; the values of one have 8, of the other 48.
            let other = try object.layout(of: "backends4")
            #expect(other.difference(from: hash) == "its values have 48 bytes, not 8")
            let bare = try BPFMap.create(
                .hash, name: "vips4", keySize: 4, valueSize: 8, maxEntries: 1, flags: hash.flags)
            #expect(try !bare.layout.agrees(with: hash))
            #expect(try bare.layout.hasSizes(of: hash))
            #expect(try bare.layout.difference(from: hash) == "it has no type information that could be read")
            #expect(try bare.layout.fingerprint == nil)
            #expect(try bare.layout.described(like: hash).fingerprint == hash.fingerprint)
            #expect(hash.fingerprint != nil && hash.fingerprint != other.fingerprint)
        }

        @Test("entries are copied into a map with more room, of any kind")
        func copies() throws {
            let small = try BPFMap.create(.hash, name: "small", keySize: 4, valueSize: 8, maxEntries: 100)
            let big = try BPFMap.create(.hash, name: "big", keySize: 4, valueSize: 8, maxEntries: 200)
            for key in UInt32(0)..<100 { try small.update(key, to: UInt64(key) * 3) }
            #expect(try small.copyEntries(to: big) == 100)
            for key in UInt32(0)..<100 { #expect(try big.lookup(key, as: UInt64.self) == UInt64(key) * 3) }
            try big.update(UInt32(100), to: UInt64(1))

            let array = try BPFMap.create(.array, name: "array", keySize: 4, valueSize: 8, maxEntries: 8)
            let longer = try BPFMap.create(.array, name: "longer", keySize: 4, valueSize: 8, maxEntries: 16)
            try array.update(UInt32(5), to: UInt64(7))
            #expect(try array.copyEntries(to: longer) == 1)
            #expect(try longer.lookup(UInt32(5), as: UInt64.self) == 7)

            let counts = try BPFMap.create(.perCPUHash, name: "counts", keySize: 4, valueSize: 8, maxEntries: 4)
            #expect(throws: BPFError.self) { try small.copyEntries(to: counts) }
            #expect(throws: BPFError.self, "no room") { try big.copyEntries(to: small) }
        }

        @Test("counts are added to those that are there", arguments: [BPFMapType.perCPUHash, .perCPUArray])
        func addsCounts(type: BPFMapType) throws {
            let from = try BPFMap.create(type, name: "from", keySize: 4, valueSize: 16, maxEntries: 4)
            let into = try BPFMap.create(type, name: "into", keySize: 4, valueSize: 16, maxEntries: 8)
            /// Another value for each CPU.
            func counts(_ first: UInt64, _ second: UInt64) -> [SIMD2<UInt64>] {
                (0..<CPUs.possible).map { SIMD2(first, second) &* UInt64($0 + 1) }
            }
            func set(_ key: UInt32, of map: borrowing BPFMap, to counts: [SIMD2<UInt64>]) {
                let status = map.withDescriptor { descriptor in
                    withUnsafePointer(to: key) { bpf_map_update_elem(descriptor, $0, counts, 0) }
                }
                #expect(status == 0)
            }
            set(1, of: from, to: counts(10, 20))
            set(2, of: from, to: counts(30, 40))
            set(2, of: into, to: counts(3, 4))
            set(7, of: into, to: counts(5, 6))
            try from.addCounts(to: into)
            #expect(try into.lookupPerCPU(UInt32(1)) == counts(10, 20))
            #expect(try into.lookupPerCPU(UInt32(2)) == counts(33, 44))
            #expect(try into.lookupPerCPU(UInt32(7)) == counts(5, 6))
            let other = try BPFMap.create(.hash, name: "other", keySize: 4, valueSize: 16, maxEntries: 4)
            #expect(throws: BPFError.self) { try from.addCounts(to: other) }
        }
    }
}
