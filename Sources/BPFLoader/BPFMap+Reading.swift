import CLibbpf
import SystemPackage

/// One entry of a map, read out.
package struct MapEntry<Key, Value> {
    package let key: Key
    package let value: Value
}

extension MapEntry: Equatable where Key: Equatable, Value: Equatable {}
extension MapEntry: Sendable where Key: Sendable, Value: Sendable {}

// The whole map. Entries that are written meanwhile may be missed or seen; no entry is torn across calls.
extension BPFMap {
    /// All entries, in the kernel's order.
    package func entries<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        key _: Key.Type, value _: Value.Type
    ) throws(BPFError) -> [MapEntry<Key, Value>] {
        try checkKey(Key.self, .read)
        try checkValue(Value.self, .read)
        var entries: [MapEntry<Key, Value>] = []
        try forEachEntry { key, value in
            entries.append(MapEntry(key: key.loadUnaligned(as: Key.self), value: value.loadUnaligned(as: Value.self)))
        }
        return entries
    }

    /// All entries as bytes, for a reader that does not know the types. A per-CPU value is the values of all
    /// possible CPUs, each rounded up to eight bytes.
    package func rawEntries() throws(BPFError) -> [MapEntry<[UInt8], [UInt8]>] {
        var entries: [MapEntry<[UInt8], [UInt8]>] = []
        let (keySize, valueSize) = (keySize, transferSize)
        try forEachEntry { key, value in
            let keyBytes = UnsafeRawBufferPointer(start: key, count: keySize)
            let valueBytes = UnsafeRawBufferPointer(start: value, count: valueSize)
            entries.append(MapEntry(key: Array(keyBytes), value: Array(valueBytes)))
        }
        return entries
    }

    /// The values of an array at consecutive indices.
    package func values<Value: BitwiseCopyable>(
        in range: Range<UInt32>, as _: Value.Type = Value.self
    ) throws(BPFError) -> [Value] {
        try checkKey(UInt32.self, .read)
        try checkValue(Value.self, .read)
        guard range.upperBound <= maxEntries else {
            let detail = "the index is past the end (\(maxEntries))"
            throw BPFError(.read, "\(range) of \(name)", .argListTooLong, detail: detail)
        }
        guard !range.isEmpty else { return [] }
        if let values: [Value] = batchOfValues(in: range) { return values }
        var values: [Value] = []
        for index in range {
            guard let value = try lookup(index, as: Value.self) else {
                throw BPFError(.read, "\(index) of \(name)", .noSuchFileOrDirectory)
            }
            values.append(value)
        }
        return values
    }

    /// Shows every value of an array, some thousands at a time, so that a big one costs no megabytes at once.
    package func forEachValue<Value: BitwiseCopyable>(
        as _: Value.Type, _ visit: (Value) -> Void
    ) throws(BPFError) {
        let (size, part) = (UInt32(maxEntries), UInt32(4_096))
        for start in stride(from: 0, to: size, by: Int(part)) {
            for value in try values(in: start..<min(start + part, size), as: Value.self) { visit(value) }
        }
    }

    /// One system call for the whole range; nil where the kernel has no batch call for arrays.
    private func batchOfValues<Value: BitwiseCopyable>(in range: Range<UInt32>) -> [Value]? {
        var indices = [UInt32](repeating: 0, count: range.count)
        var before = range.lowerBound &- 1
        var next: UInt32 = 0
        let values = [Value](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            var count = UInt32(range.count)
            let status =
                if range.lowerBound == 0 {
                    bpf_map_lookup_batch(
                        descriptor.rawValue, nil, &next, &indices, buffer.baseAddress, &count, nil)
                } else {
                    bpf_map_lookup_batch(
                        descriptor.rawValue, &before, &next, &indices, buffer.baseAddress, &count, nil)
                }
            // The end of the array is "no such entry" with a valid count.
            let isRead = status == 0 || status == -Errno.noSuchFileOrDirectory.rawValue
            initialized = isRead ? Int(count) : 0
        }
        return values.count == range.count ? values : nil
    }
}

// MARK: - The walk over a map

extension BPFMap {
    /// Shows every entry to `visit`: the bytes are the key, and the value with `transferSize` bytes.
    func forEachEntry(_ visit: (UnsafeRawPointer, UnsafeRawPointer) -> Void) throws(BPFError) {
        var window = BatchWindow(
            entries: min(max(maxEntries, 1), max(64, 1 << 20 / (keySize + transferSize))),
            keySize: keySize, valueSize: transferSize)
        var isFirst = true
        while true {
            var count = UInt32(window.entries)
            let status = bpf_map_lookup_batch(
                descriptor.rawValue, isFirst ? nil : window.position, window.nextPosition, window.keys, window.values,
                &count, nil)
            let cause = Errno(rawValue: -status)
            let isEnd = cause == .noSuchFileOrDirectory
            if status == 0 || isEnd {
                for index in 0..<Int(count) {
                    visit(window.keys + index * keySize, window.values + index * window.valueSize)
                }
                if isEnd { return }
                window.advance()
                isFirst = false
            } else if cause == .noSpace {
                // A bucket of the hash has more entries than the window: the same place again, with a bigger one.
                window = window.doubled()
            } else if isFirst, Self.lacksBatch(status) {
                return try forEachKey(visit)
            } else {
                throw BPFError(.read, name, cause)
            }
        }
    }

    /// The same, one entry at a time: for kernels and types of map without batch calls.
    func forEachKey(_ visit: (UnsafeRawPointer, UnsafeRawPointer) -> Void) throws(BPFError) {
        var window = BatchWindow(entries: 1, keySize: keySize, valueSize: transferSize)
        var isFirst = true
        // Deleting the key at which the walk stands makes the kernel start again: the bound ends that.
        for _ in 0..<max(maxEntries * 2, 1) {
            let status = bpf_map_get_next_key(
                descriptor.rawValue, isFirst ? nil : window.position, window.nextPosition)
            if status == -Errno.noSuchFileOrDirectory.rawValue { return }
            try checked(status, .read, name)
            window.advance()
            isFirst = false
            let found = bpf_map_lookup_elem(descriptor.rawValue, window.position, window.values)
            if found == 0 { visit(window.position, window.values) }
        }
    }
}

/// The memory that one batch look-up fills.
private struct BatchWindow: ~Copyable {
    let entries: Int
    let keySize: Int
    let valueSize: Int
    let keys: UnsafeMutableRawPointer
    let values: UnsafeMutableRawPointer
    /// Where the kernel goes on; opaque, as long as a key and at least a bucket number.
    private(set) var position: UnsafeMutableRawPointer
    private(set) var nextPosition: UnsafeMutableRawPointer

    init(entries: Int, keySize: Int, valueSize: Int) {
        self.entries = entries
        self.keySize = keySize
        self.valueSize = valueSize
        keys = .allocate(byteCount: max(entries * keySize, 1), alignment: 16)
        values = .allocate(byteCount: max(entries * valueSize, 1), alignment: 16)
        position = .allocate(byteCount: max(keySize, 8), alignment: 16)
        nextPosition = .allocate(byteCount: max(keySize, 8), alignment: 16)
    }

    deinit {
        keys.deallocate()
        values.deallocate()
        position.deallocate()
        nextPosition.deallocate()
    }

    mutating func advance() { swap(&position, &nextPosition) }

    /// A bigger window at the same place.
    func doubled() -> BatchWindow {
        let bigger = BatchWindow(entries: entries * 2, keySize: keySize, valueSize: valueSize)
        bigger.position.copyMemory(from: position, byteCount: max(keySize, 8))
        return bigger
    }
}
