internal import CDatapath
internal import ServiceModel

/// `vip_filter`: bits for what may be a frontend. Addresses that differ in their last byte only share theirs. Bits are
/// only ever set.
struct FrontendFilter: Sendable, Hashable {
    private(set) var words: [UInt64]

    init(words: [UInt64] = Array(repeating: 0, count: Int(LB_FILTER_WORDS))) { self.words = words }

    func contains(_ bit: FilterBit) -> Bool { words[bit.word] >> UInt64(bit.number % 64) & 1 == 1 }

    mutating func insert(_ bit: FilterBit) { words[bit.word] |= 1 << UInt64(bit.number % 64) }
}

/// The number of a bit in `vip_filter`.
package struct FilterBit: Sendable, Hashable {
    let number: UInt32

    /// Which of the map's words has it.
    var word: Int { Int(number / 64) }
}

extension DesiredFrontend {
    /// What must be set for the datapath to look it up: a VIP's address, or a node's address and the NodePort.
    var filterBits: [FilterBit] {
        let bytes = key.address.bytes
        let first = lb_filter_bit(bytes, UInt32(bytes.count))
        guard kind == .nodePort else { return [FilterBit(number: first)] }
        return [
            FilterBit(number: first + 1),
            FilterBit(number: UInt32(LB_FILTER_NODE_PORTS) + UInt32(key.port.number)),
        ]
    }
}
