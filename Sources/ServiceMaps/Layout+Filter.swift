internal import CDatapath
internal import ServiceModel

/// `vip_filter`: a bit for the addresses that may have frontends, shared by those that differ in their last
/// byte only. Bits are only ever set.
struct AddressFilter: Sendable, Hashable {
    private(set) var words: [UInt64]

    init(words: [UInt64] = Array(repeating: 0, count: Int(LB_FILTER_WORDS))) { self.words = words }

    /// Whether connects to the address are looked up.
    func contains(_ address: IPAddress) -> Bool {
        let bit = address.filterBit
        return words[Int(bit / 64)] >> UInt64(bit % 64) & 1 == 1
    }

    mutating func insert(_ address: IPAddress) {
        let bit = address.filterBit
        words[Int(bit / 64)] |= 1 << UInt64(bit % 64)
    }
}

extension IPAddress {
    /// The number of its bit, as the datapath computes it.
    var filterBit: UInt32 {
        let bytes = bytes
        return lb_filter_bit(bytes, UInt32(bytes.count))
    }
}
