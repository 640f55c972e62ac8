internal import CDatapath
internal import ServiceModel

/// `source_ranges4/6`, the key: a range of one service port.
protocol SourceRangeKeyLayout: AddressLayout {
    var prefix_length: UInt32 { get set }
    var service_id: UInt32 { get set }
}

extension source_range4_key: SourceRangeKeyLayout {}
extension source_range6_key: SourceRangeKeyLayout {}

extension SourceRangeKeyLayout {
    init(_ range: CIDR, of service: ServiceID) {
        self.init()
        prefix_length = UInt32(LB_RANGE_PREFIX) + UInt32(range.prefixLength)
        service_id = service.number
        ipAddress = range.network
    }

    /// Nil for what this program never writes.
    var decoded: (service: ServiceID, range: CIDR)? {
        guard service_id != 0,
            let range = CIDR(network: ipAddress, prefixLength: Int(prefix_length) - Int(LB_RANGE_PREFIX))
        else { return nil }
        return (ServiceID(service_id), range)
    }
}

extension source_range {
    /// The value of every range: there are none that forbid.
    static var allowing: source_range { source_range(allow: 1, pad: (0, 0, 0)) }
}
