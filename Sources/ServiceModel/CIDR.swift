/// A range of addresses with a common prefix; host bits are cleared, so that equal ranges are equal values.
package struct CIDR: Sendable, Hashable, LosslessStringConvertible {
    /// The first address of the range.
    package let network: IPAddress
    package let prefixLength: Int

    /// Nil when the prefix is longer than the address.
    package init?(network: IPAddress, prefixLength: Int) {
        guard (0...network.family.bitWidth).contains(prefixLength) else { return nil }
        self.network = network.masked(to: prefixLength)
        self.prefixLength = prefixLength
    }

    /// Reads `10.0.0.0/8` or `fd00::/8`; a mapped range (`::ffff:10.0.0.0/104`) is the IPv4 range that it stands for.
    package init?(_ text: String) { self.init(text) { IPAddress($0) } }

    private init?(_ text: String, _ address: (Substring) -> IPAddress?) {
        guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")),
            let network = address(text[..<slash]),
            let length = Self.prefixLength(text[slash...].dropFirst())
        else { return nil }
        let isMapped = network.family == .v4 && text.utf8.contains(UInt8(ascii: ":"))
        self.init(network: network, prefixLength: isMapped ? length - 96 : length)
    }

    /// Reads what an object of the Kubernetes API may hold: see `IPAddress.lenient`.
    package static func lenient(_ text: String) -> CIDR? { CIDR(text) { IPAddress.lenient(String($0)) } }

    private static func prefixLength(_ text: Substring) -> Int? {
        guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains),
            text.utf8.count == 1 || text.utf8.first != UInt8(ascii: "0")
        else { return nil }
        return Int(text)
    }

    package var family: IPFamily { network.family }

    /// An address of the other family is never inside.
    package func contains(_ address: IPAddress) -> Bool {
        address.family == family && address.masked(to: prefixLength) == network
    }

    /// Whether all of another range is inside.
    package func contains(_ other: CIDR) -> Bool {
        prefixLength <= other.prefixLength && contains(other.network)
    }

    /// Of two ranges that have an address in common one is inside the other.
    package func overlaps(_ other: CIDR) -> Bool { contains(other) || other.contains(self) }

    package var description: String { "\(network)/\(prefixLength)" }
}

extension IPFamily {
    /// Bits in an address.
    package var bitWidth: Int {
        switch self {
        case .v4: 32
        case .v6: 128
        }
    }
}

extension IPAddress {
    fileprivate func masked(to prefixLength: Int) -> IPAddress {
        switch family {
        case .v4:
            IPAddress(v4: UInt32(truncatingIfNeeded: low) & (UInt32.max << (32 - prefixLength)))
        case .v6:
            IPAddress(
                v6: high & (UInt64.max << max(64 - prefixLength, 0)),
                low & (UInt64.max << min(128 - prefixLength, 64)))
        }
    }
}
