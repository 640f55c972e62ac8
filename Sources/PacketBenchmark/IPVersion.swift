import NetworkLab
import ServiceModel

/// IPv4 and IPv6 are measured side by side, by the same code.
package enum IPVersion: String, CaseIterable, Codable, Sendable, CodingKeyRepresentable {
    case v4, v6

    /// `10.1.2.3` or `fd00:10:1:2::3`, by the same numbers: addresses of links and pods.
    func address(_ second: Int, _ third: Int, _ last: Int, port: UInt16 = 0) -> SocketAddress {
        switch self {
        case .v4: SocketAddress(address: [10, UInt8(second), UInt8(third), UInt8(last)], port: port)
        case .v6:
            SocketAddress(
                address: [0xfd, 0, 0, 0x10] + Self.group(second) + Self.group(third) + [0, 0, 0, 0, 0, 0]
                    + [UInt8(last >> 8), UInt8(last & 0xff)],
                port: port)
        }
    }

    /// A number below 1,000 as a group of an IPv6 address that reads as it is written in IPv4: 244 is 0x0244.
    private static func group(_ number: Int) -> [UInt8] {
        [UInt8(number / 100), UInt8((number / 10 % 10) << 4 | number % 10)]
    }

    /// An unknown client, from a range that is set aside for benchmarks or documentation.
    func stranger(_ network: Int, _ last: Int, port: UInt16 = 0) -> SocketAddress {
        switch self {
        case .v4: SocketAddress(address: [198, 18, UInt8(network), UInt8(last)], port: port)
        case .v6:
            SocketAddress(
                address: [0x20, 0x01, 0x0d, 0xb8, 0, UInt8(network)] + [UInt8](repeating: 0, count: 9) + [UInt8(last)],
                port: port)
        }
    }

    var prefixLength: Int { self == .v4 ? 24 : 64 }
    var family: IPFamily { self == .v4 ? .v4 : .v6 }
}
