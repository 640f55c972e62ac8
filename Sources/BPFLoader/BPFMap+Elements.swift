import CLibbpf
import SystemPackage

/// Whether an update may create an entry, replace one, or both.
package enum UpdateMode: Sendable {
    case any, noExist, exist

    var flags: UInt64 {
        switch self {
        case .any: UInt64(BPF_ANY)
        case .noExist: UInt64(BPF_NOEXIST)
        case .exist: UInt64(BPF_EXIST)
        }
    }
}

// One entry at a time.
extension BPFMap {
    /// The value of a key, or nil if the map has none.
    package func lookup<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ key: Key, as _: Value.Type = Value.self
    ) throws(BPFError) -> Value? {
        try checkKey(Key.self, .read)
        try checkValue(Value.self, .read)
        let (status, value) = withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { slot in
            let status = withUnsafePointer(to: key) { bpf_map_lookup_elem(descriptor.rawValue, $0, slot.baseAddress) }
            return (status, status == 0 ? slot.first : nil)
        }
        if let value { return value }
        guard status == -Errno.noSuchFileOrDirectory.rawValue else {
            throw BPFError(.read, "\(key) of \(name)", Errno(rawValue: -status))
        }
        return nil
    }

    /// Writes one entry, atomically for the programs that read it.
    ///
    /// `noExist` throws `Errno.fileExists` for a key that is there, `exist` throws `Errno.noSuchFileOrDirectory`
    /// for one that is not.
    package func update<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ key: Key, to value: Value, mode: UpdateMode = .any
    ) throws(BPFError) {
        try checkKey(Key.self, .update)
        try checkValue(Value.self, .update)
        let status = withUnsafePointer(to: key) { key in
            withUnsafePointer(to: value) { bpf_map_update_elem(descriptor.rawValue, key, $0, mode.flags) }
        }
        guard status == 0 else { throw updateFailure(key, value, Errno(rawValue: -status)) }
    }

    /// Removes an entry. True if it was there; what is already gone is no error.
    @discardableResult
    package func delete<Key: BitwiseCopyable>(_ key: Key) throws(BPFError) -> Bool {
        try checkKey(Key.self, .delete)
        let status = withUnsafePointer(to: key) { bpf_map_delete_elem(descriptor.rawValue, $0) }
        if status == 0 { return true }
        guard status == -Errno.noSuchFileOrDirectory.rawValue else {
            throw BPFError(.delete, "\(key) of \(name)", Errno(rawValue: -status))
        }
        return false
    }

    /// Says why an update failed; the kernel has the same number for a full map and for an index that is too big.
    func updateFailure<Key, Value>(_ key: Key, _ value: Value, _ cause: Errno) -> BPFError {
        let subject = "\(name) with \(key) → \(value)"
        guard cause == .argListTooLong else { return BPFError(.update, subject, cause) }
        if type.isArray {
            return BPFError(.update, subject, cause, detail: "the index is past the end (\(maxEntries))")
        }
        return BPFError(
            .update, subject, cause, detail: "map is full (\(maxEntries))", advice: "create it with more entries")
    }
}
