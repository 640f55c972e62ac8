/// The IP family that an address, a frontend or a backend belongs to.
package enum IPFamily: UInt8, Sendable, Hashable, CaseIterable, Comparable {
    case v4 = 4
    case v6 = 6

    package static func < (left: IPFamily, right: IPFamily) -> Bool { left.rawValue < right.rawValue }
}

/// An IPv4 or IPv6 address, a value of 17 bytes that is compared byte by byte.
///
/// An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) parses as the IPv4 address that it stands for.
package struct IPAddress: Sendable, Hashable {
    /// The address in network order: IPv6's first and last eight bytes, or IPv4's four in the low half.
    package let high: UInt64
    package let low: UInt64
    /// Last, so that what follows an address in a structure fills its padding.
    package let family: IPFamily

    package init(v4 value: UInt32) {
        high = 0
        low = UInt64(value)
        family = .v4
    }

    package init(v6 high: UInt64, _ low: UInt64) {
        self.high = high
        self.low = low
        family = .v6
    }

    /// The bytes as they are written: four for IPv4, sixteen for IPv6.
    package var bytes: [UInt8] {
        switch family {
        case .v4: (0..<4).map { UInt8(truncatingIfNeeded: low >> (24 - 8 * $0)) }
        case .v6: (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * ($0 % 8))) }
        }
    }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then numerically. Many are sorted in other modules: no tuple, whose `<` would ask for a witness.
    @inlinable package static func < (left: IPAddress, right: IPAddress) -> Bool {
        switch (left.family, right.family) {
        case (.v4, .v6): true
        case (.v6, .v4): false
        case (.v4, .v4): left.low < right.low
        case (.v6, .v6): left.high == right.high ? left.low < right.low : left.high < right.high
        }
    }
}

extension IPAddress {
    /// `127.0.0.0/8` or `::1`.
    package var isLoopback: Bool {
        switch family {
        case .v4: low >> 24 == 127
        case .v6: high == 0 && low == 1
        }
    }

    /// `0.0.0.0` or `::`.
    package var isUnspecified: Bool { high == 0 && low == 0 }

    /// `255.255.255.255` (RFC 919).
    package var isBroadcast: Bool { family == .v4 && low == 0xffff_ffff }

    /// `224.0.0.0/4` or `ff00::/8`.
    package var isMulticast: Bool {
        switch family {
        case .v4: low >> 28 == 0xe
        case .v6: high >> 56 == 0xff
        }
    }

    /// `169.254.0.0/16` or `fe80::/10`.
    package var isLinkLocal: Bool {
        switch family {
        case .v4: low >> 16 == 0xa9fe
        case .v6: high >> 54 == 0x3fa
        }
    }
}

extension IPAddress {
    /// A load balancer's or an external IP: loopback is each network namespace's own, so that it is served for the node's
    /// at most, and an unspecified, broadcast, multicast or link-local address is no address of a Service (spec 60).
    var mayBeFrontend: Bool { !isVague && !isBroadcast }

    /// The API accepts no other address for an endpoint: on loopback each client would ask itself.
    package var mayBeEndpoint: Bool { !isVague && !isLoopback }

    private var isVague: Bool { isUnspecified || isMulticast || isLinkLocal }
}
