import CLibbpf
import SystemPackage
import SystemCalls

/// How far a batch came: the first `completed` entries are done, and the one after them is what failed.
package struct BatchOutcome: Sendable {
    package let completed: Int
    /// Why entry number `completed` could not be done; nil when all are.
    package let failure: BPFError?

    /// Throws the failure, for callers that want all or an error.
    package func check() throws(BPFError) {
        if let failure { throw failure }
    }
}

// Many entries with one system call, where the kernel can; one by one where it cannot.
extension BPFMap {
    /// Writes entries in their order, and stops at the first that fails.
    ///
    /// Only `mode: .any` goes in batches: the kernel refuses the other modes there.
    package func updateBatch<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        keys: [Key], values: [Value], mode: UpdateMode = .any
    ) -> BatchOutcome {
        precondition(keys.count == values.count, "every key needs its value")
        let descriptor = descriptor.rawValue
        return inBatches(of: keys.count, allowed: mode == .any) { () throws(BPFError) in
            try checkKey(Key.self, .update)
            try checkValue(Value.self, .update)
        } batch: { start, count in
            keys.withUnsafeBufferPointer { keys in
                values.withUnsafeBufferPointer { values in
                    bpf_map_update_batch(
                        descriptor, keys.baseAddress.map { $0 + start }, values.baseAddress.map { $0 + start },
                        &count, nil)
                }
            }
        } single: { index throws(BPFError) in
            try update(keys[index], to: values[index], mode: mode)
        }
    }

    /// Removes entries in their order, and stops at the first that fails; what is already gone counts as done.
    package func deleteBatch<Key: BitwiseCopyable>(keys: [Key]) -> BatchOutcome {
        let descriptor = descriptor.rawValue
        return inBatches(of: keys.count, allowed: true) { () throws(BPFError) in
            try checkKey(Key.self, .delete)
        } batch: { start, count in
            keys.withUnsafeBufferPointer {
                bpf_map_delete_batch(descriptor, $0.baseAddress.map { $0 + start }, &count, nil)
            }
        } single: { index throws(BPFError) in
            try delete(keys[index])
        }
    }

    /// Runs a batch call over `total` entries. Where it stops, the entry that stopped it is done alone: that
    /// tells a bad entry, whose error then names it, from a kernel that has no batch call for this type of map.
    private func inBatches(
        of total: Int, allowed: Bool,
        check: () throws(BPFError) -> Void,
        batch: (_ start: Int, _ count: inout UInt32) -> Int32,
        single: (_ index: Int) throws(BPFError) -> Void
    ) -> BatchOutcome {
        var done = 0
        var batchable = allowed
        do throws(BPFError) {
            try check()
            while done < total {
                if batchable {
                    var count = UInt32(total - done)
                    let status = batch(done, &count)
                    if status == 0 { break }
                    // A call that is refused outright leaves the count as it was.
                    if count < total - done { done += Int(count) }
                    batchable = !Self.lacksBatch(status)
                }
                try single(done)
                done += 1
            }
            return BatchOutcome(completed: total, failure: nil)
        } catch {
            return BatchOutcome(completed: done, failure: error)
        }
    }

    /// Whether a batch call failed because this kernel does not have it for this type of map.
    static func lacksBatch(_ status: Int32) -> Bool {
        let cause = Errno(rawValue: -status)
        return cause == .invalidArgument || cause == .notSupportedByKernel || cause == .notSupportedOnSocket
    }
}
