internal import CDatapath
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
    /// - Parameter ranges: in order; those for which there is no room are left out.
    init(_ ranges: some Sequence<ClosedRange<UInt16>>) {
        self.init()
        let fitting = ranges.prefix(Int(LB_PORT_RANGES)).map { port_range(first: $0.lowerBound, last: $0.upperBound) }
        count = fitting.reduce(0) { $0 + UInt32($1.last - $1.first) + 1 }
        withUnsafeMutableBytes(of: &range) { room in
            fitting.withUnsafeBytes { room.copyMemory(from: $0) }
        }
    }
}
