internal import CDatapath
internal import ServiceModel

/// `vips4/6`, the key.
protocol VIPKeyLayout: AddressLayout {}

extension vip4_key: VIPKeyLayout {}
extension vip6_key: VIPKeyLayout {}

extension VIPKeyLayout {
    init(_ address: IPAddress) {
        self.init()
        ipAddress = address
    }
}

/// `vips4/6`, the value.
extension vip {
    init(_ entry: VIPEntry) {
        self.init()
        unknown_port = REJECT
        frontends = entry.frontends
    }

    /// Nil for what this program never writes.
    var decoded: VIPEntry? { unknown_port == REJECT ? VIPEntry(frontends: frontends) : nil }
}
