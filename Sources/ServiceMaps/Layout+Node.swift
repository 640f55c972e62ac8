package import CDatapath
internal import ServiceModel

/// `node_sources4/6`, the key: a range of endpoints that are reached by one device.
protocol NodeSourceKeyLayout: AddressLayout {
    var prefix_length: UInt32 { get set }
    var ifindex: UInt32 { get set }
}

extension node_source4_key: NodeSourceKeyLayout {}
extension node_source6_key: NodeSourceKeyLayout {}

extension NodeSourceKeyLayout {
    init(_ range: CIDR, by device: UInt32) {
        self.init()
        prefix_length = UInt32(LB_SOURCE_PREFIX) + UInt32(range.prefixLength)
        ifindex = device
        ipAddress = range.network
    }
}

/// `node_sources4/6`, the value.
protocol NodeSourceLayout: AddressLayout {}

extension node_source4: NodeSourceLayout {}
extension node_source6: NodeSourceLayout {}

extension NodeSourceLayout {
    init(_ address: IPAddress) {
        self.init()
        ipAddress = address
    }
}

/// `ipsec4/6`, the key.
protocol IPsecKeyLayout: AddressLayout {
    var prefix_length: UInt32 { get set }
}

extension ipsec4_key: IPsecKeyLayout {}
extension ipsec6_key: IPsecKeyLayout {}

extension IPsecKeyLayout {
    init(_ range: CIDR) {
        self.init()
        prefix_length = UInt32(range.prefixLength)
        ipAddress = range.network
    }
}

extension ipsec_policy {
    /// The value of every range: one that no policy is about is not there.
    static var applying: ipsec_policy { ipsec_policy(applies: 1, pad: (0, 0, 0)) }
}

extension masq_ports {
    /// - Parameters:
    ///   - ranges: in order; those for which there is no room are left out.
    ///   - before: what the map has now: flows keep their ports.
    package init(_ ranges: some Sequence<ClosedRange<UInt16>>, after before: masq_ports = masq_ports()) {
        self.init()
        let fitting = Array(ranges.prefix(Self.room))
        count = fitting.reduce(0) { $0 + UInt32($1.count) }
        Self.copy(fitting, into: &range)
        Self.copy(Self.joined(fitting + before.answerRanges), into: &answers)
    }

    private static let room = Int(LB_PORT_RANGES)

    /// Where answers may come to.
    var answerRanges: [ClosedRange<UInt16>] {
        withUnsafeBytes(of: answers) { Array($0.bindMemory(to: port_range.self)) }
            .filter { $0.last > 0 && $0.first <= $0.last }.map { $0.first...$0.last }
    }

    /// The same ports in as many ranges as there is room for: the narrowest gaps are closed.
    private static func joined(_ ranges: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
        var joined: [ClosedRange<UInt16>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
                joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        while joined.count > room {
            let narrowest = (1..<joined.count).min { gap(before: $0) < gap(before: $1) } ?? 1
            joined[narrowest - 1] = joined[narrowest - 1].lowerBound...joined[narrowest].upperBound
            joined.remove(at: narrowest)
        }
        return joined

        func gap(before index: Int) -> UInt16 { joined[index].lowerBound - joined[index - 1].upperBound }
    }

    private static func copy<Field: BitwiseCopyable>(_ ranges: [ClosedRange<UInt16>], into field: inout Field) {
        let entries = ranges.map { port_range(first: $0.lowerBound, last: $0.upperBound) }
        withUnsafeMutableBytes(of: &field) { room in
            entries.withUnsafeBytes { room.copyMemory(from: $0) }
        }
    }
}
