import CLibbpf
import SystemPackage

// Maps with a value for each CPU: programs count without sharing a cache line, readers add up.
extension BPFMap {
    /// The values of a key on all possible CPUs, or nil if the map has no such key.
    package func lookupPerCPU<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ key: Key, as _: Value.Type = Value.self
    ) throws(BPFError) -> [Value]? {
        try checkPerCPU(Key.self, Value.self, .read)
        let size = transferSize
        let (status, values) = withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { buffer in
            let status = withUnsafePointer(to: key) { bpf_map_lookup_elem(descriptor.rawValue, $0, buffer.baseAddress) }
            let start = UnsafeRawPointer(buffer.baseAddress)
            return (status, status == 0 ? start.map { split($0) as [Value] } : nil)
        }
        if let values { return values }
        guard status == -Errno.noSuchFileOrDirectory.rawValue else {
            throw BPFError(.read, "\(key) of \(name)", Errno(rawValue: -status))
        }
        return nil
    }

    /// All entries of a per-CPU map, each with the values of all possible CPUs.
    package func perCPUEntries<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        key _: Key.Type, value _: Value.Type
    ) throws(BPFError) -> [MapEntry<Key, [Value]>] {
        try checkPerCPU(Key.self, Value.self, .read)
        var entries: [MapEntry<Key, [Value]>] = []
        try forEachEntry { key, value in
            entries.append(MapEntry(key: key.loadUnaligned(as: Key.self), value: split(value)))
        }
        return entries
    }

    /// Sets the values of a key on all CPUs to zero; what a program adds at the same moment may be lost.
    package func zeroPerCPU<Key: BitwiseCopyable>(_ key: Key) throws(BPFError) {
        try checkKey(Key.self, .update)
        let zeros = [UInt8](repeating: 0, count: transferSize)
        let status = withUnsafePointer(to: key) {
            bpf_map_update_elem(descriptor.rawValue, $0, zeros, UpdateMode.any.flags)
        }
        guard status == 0 else { throw updateFailure(key, "zero", Errno(rawValue: -status)) }
    }

    /// Adds the counts of every entry, which are 64 bits each, to those of the same key in another map of this layout; what
    /// a program counts there at the same moment may be lost.
    package func addCounts(to other: borrowing BPFMap) throws(BPFError) {
        guard type.isPerCPU, other.type.isPerCPU, keySize == other.keySize, valueSize == other.valueSize,
            valueSize % 8 == 0
        else { throw BPFError(.update, other.name, .invalidArgument, detail: "\(name) has other counts") }
        var failure: BPFError?
        try forEachEntry { key, values in
            guard failure == nil else { return }
            let counts = (0..<transferSize / 8).map { values.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
            if counts.allSatisfy({ $0 == 0 }) { return }
            // Where the key is not there yet, these stay zero.
            var sums = [UInt64](repeating: 0, count: counts.count)
            _ = bpf_map_lookup_elem(other.descriptor.rawValue, key, &sums)
            for index in counts.indices { sums[index] &+= counts[index] }
            let status = bpf_map_update_elem(other.descriptor.rawValue, key, sums, UpdateMode.any.flags)
            if status < 0 { failure = other.updateFailure("a count", "that of \(name)", Errno(rawValue: -status)) }
        }
        if let failure { throw failure }
    }

    private func split<Value: BitwiseCopyable>(_ start: UnsafeRawPointer) -> [Value] {
        (0..<CPUs.possible).map { start.loadUnaligned(fromByteOffset: $0 * perCPUStride, as: Value.self) }
    }

    private func checkPerCPU<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _: Key.Type, _: Value.Type, _ action: BPFError.Action
    ) throws(BPFError) {
        guard type.isPerCPU else {
            throw BPFError(action, name, .invalidArgument, detail: "it has one value, not one for each CPU")
        }
        try checkKey(Key.self, action)
        try checkLayout(Value.self, "value", valueSize, action)
    }
}
