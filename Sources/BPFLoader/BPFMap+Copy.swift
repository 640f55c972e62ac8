import CLibbpf
import SystemPackage

// One map's entries into another one.
extension BPFMap {
    /// Writes every entry of this map into another one of the same layout, which may have more room. An array's
    /// elements keep their index. What is written to this map meanwhile may be missing.
    ///
    /// - Returns: how many entries were written.
    @discardableResult
    package func copyEntries(to other: borrowing BPFMap) throws(BPFError) -> Int {
        guard keySize == other.keySize, transferSize == other.transferSize else {
            throw BPFError(
                .update, other.name, .invalidArgument, detail: "\(name) has keys and values of another size")
        }
        var written = 0
        var failure: BPFError?
        // An element of an array that holds nothing is there already.
        let skipsEmpty = type.isArray
        try forEachEntry { key, value in
            if failure != nil { return }
            let bytes = UnsafeRawBufferPointer(start: value, count: transferSize)
            if skipsEmpty, bytes.allSatisfy({ $0 == 0 }) { return }
            let status = bpf_map_update_elem(other.descriptor.rawValue, key, value, UpdateMode.any.flags)
            if status < 0 {
                failure = other.updateFailure("an entry", "that of \(name)", Errno(rawValue: -status))
            } else {
                written += 1
            }
        }
        if let failure { throw failure }
        return written
    }
}
