import ServiceModel

/// IPv6: a route may ask for a source; otherwise the kernel compares all addresses (RFC 6724, section 5).
///
/// What it compares depends on the destination. The space of destinations is cut where a comparison can turn out another
/// way; each piece gets what is best for one address in it.
struct SourceChoice6 {
    private let network: NetworkSnapshot
    private let link: LinkIndex
    /// In the order of the kernel, which decides between equals.
    private let candidates: [LinkAddress]

    init(network: NetworkSnapshot, link: LinkIndex) {
        self.network = network
        self.link = link
        let usable = network.addresses.filter { $0.family == .v6 && $0.isUsable && !$0.address.isLoopback }
        // Whatever the destination: one of the device that may be used for something new beats those of others.
        let own = usable.filter { $0.link == link && !$0.isDeprecated && IPv6Scope($0.address) == .global }
        candidates = own.isEmpty ? usable : own
    }

    func sources(_ routes: [NetworkRoute]) -> (IPAddress?, [DeviceSources.Exception]) {
        let asking = routesThatMatter(routes.filter { $0.destination.family == .v6 })
        let cuts = Set(asking.map(\.destination) + comparisonCuts).sorted { $0.prefixLength < $1.prefixLength }
        let usual = asking.first { $0.destination.prefixLength == 0 }?.source ?? best(for: Self.anywhere)
        let found = cuts.compactMap { cut -> DeviceSources.Exception? in
            guard let example = cut.example(outside: cuts) else { return nil }
            let route = asking.last { $0.destination.contains(example) }
            return (route?.source ?? best(for: example)).map { DeviceSources.Exception(range: cut, address: $0) }
        }
        return (usual, found.withoutRepetition(of: usual))
    }

    /// Those that ask for a source, and those below them, which take that back.
    private func routesThatMatter(_ routes: [NetworkRoute]) -> [NetworkRoute] {
        let asking = routes.filter { $0.source != nil }
        return routes.filter { route in asking.contains { $0.destination.contains(route.destination.network) } }
    }

    /// A global address that is never in use: from the documentation range.
    private static let anywhere = IPAddress(v6: 0x2001_0db8_ffff_ffff, 0)

    // MARK: - Where comparisons turn

    private var comparisonCuts: [CIDR] {
        // With one candidate there is nothing to compare.
        guard candidates.count > 1 else { return [] }
        return AddressLabel.ranges + IPv6Scope.ranges + prefixCuts
    }

    /// Where one address begins to share more bits with the destination than another, or shares no more that count.
    private var prefixCuts: [CIDR] {
        var cuts: [CIDR] = []
        func cut(_ address: IPAddress, _ length: Int) {
            if let cut = CIDR(network: address, prefixLength: length) { cuts.append(cut) }
        }
        let sorted = Set(candidates.map(\.address)).sorted()
        for (left, right) in zip(sorted, sorted.dropFirst()) {
            let common = left.commonPrefixLength(with: right)
            cut(left, common + 1)
            cut(right, common + 1)
        }
        let lengths = Set(candidates.map { Int($0.prefixLength) })
        for address in sorted {
            // The address itself is its own best source.
            cut(address, 128)
            for length in lengths {
                cut(address, length)
                if length < 128 { cut(address, length + 1) }
            }
        }
        return cuts
    }

    // MARK: - The comparison

    /// ipv6_dev_get_saddr (net/ipv6/addrconf.c), except that an address made for privacy is always the worse one: it
    /// ends within a day, and the flows with it.
    private func best(for destination: IPAddress) -> IPAddress? {
        var best: LinkAddress?
        for candidate in candidates {
            guard let present = best else {
                best = candidate
                continue
            }
            if rank(candidate, destination).isBetter(than: rank(present, destination)) { best = candidate }
        }
        return best?.address
    }

    /// By the rules of the RFC, in their order: the greater the better.
    private func rank(_ candidate: LinkAddress, _ destination: IPAddress) -> [Int] {
        let scope = IPv6Scope(candidate.address).rawValue
        let isEnough = scope >= IPv6Scope(destination).rawValue
        return [
            candidate.address == destination ? 1 : 0,
            // If it is enough, the nearest; if not, the farthest.
            isEnough ? -scope : scope - 128,
            candidate.isDeprecated ? 0 : 1,
            candidate.link == link ? 1 : 0,
            AddressLabel.of(candidate.address) == AddressLabel.of(destination) ? 1 : 0,
            candidate.isSecondary ? 0 : 1,
            min(candidate.address.commonPrefixLength(with: destination), Int(candidate.prefixLength)),
        ]
    }
}

extension [Int] {
    fileprivate func isBetter(than other: [Int]) -> Bool { other.lexicographicallyPrecedes(self) }
}

/// How far an address is valid (RFC 4007), in the numbers of multicast scopes.
private struct IPv6Scope: Hashable {
    let rawValue: Int

    static let global = IPv6Scope(rawValue: 14)
    private static let link = IPv6Scope(rawValue: 2)
    private static let site = IPv6Scope(rawValue: 5)

    static let ranges = ["fe80::/10", "fec0::/10"].compactMap { CIDR($0) }

    init(_ address: IPAddress) {
        if address.isLinkLocal || address.isLoopback {
            self = .link
        } else {
            self = Self.ranges.contains { $0.contains(address) } ? .site : .global
        }
    }

    private init(rawValue: Int) { self.rawValue = rawValue }
}

/// The label of an address: the kernel's, unless changed with `ip addrlabel`.
private enum AddressLabel {
    /// net/ipv6/addrlabel.c, the longest prefix first; what is in none has a label of its own.
    private static let labels: [(CIDR, Int)] = [
        ("::1/128", 0), ("::/96", 3), ("2001::/32", 6), ("2001:10::/28", 7), ("2002::/16", 2), ("3ffe::/16", 12),
        ("fec0::/10", 11), ("fc00::/7", 5),
    ].compactMap { text, label in CIDR(text).map { ($0, label) } }

    static let ranges = labels.map(\.0)

    static func of(_ address: IPAddress) -> Int { labels.first { $0.0.contains(address) }?.1 ?? 1 }
}

extension IPAddress {
    /// Bits that two addresses of a family have in common from the first on.
    func commonPrefixLength(with other: IPAddress) -> Int {
        let high = (self.high ^ other.high).leadingZeroBitCount
        let all = high < 64 ? high : 64 + (self.low ^ other.low).leadingZeroBitCount
        return family == .v4 ? all - 96 : all
    }
}

extension CIDR {
    /// An address of this range that is in none of the narrower ranges; nil when these are all of it.
    func example(outside ranges: [CIDR]) -> IPAddress? {
        let narrower = ranges.filter { $0.prefixLength > prefixLength && contains($0.network) }
        guard let (first, second) = halves, !narrower.isEmpty else { return network }
        for half in [first, second] where !narrower.contains(half) {
            if let example = half.example(outside: narrower) { return example }
        }
        return nil
    }

    /// Nil for a single address.
    private var halves: (CIDR, CIDR)? {
        let place = network.family.bitWidth - prefixLength - 1
        guard place >= 0 else { return nil }
        let bit = UInt64(1) << UInt64(place % 64)
        let upper =
            switch family {
            case .v4: IPAddress(v4: UInt32(truncatingIfNeeded: network.low | bit))
            case .v6 where place >= 64: IPAddress(v6: network.high | bit, network.low)
            case .v6: IPAddress(v6: network.high, network.low | bit)
            }
        guard let first = CIDR(network: network, prefixLength: prefixLength + 1),
            let second = CIDR(network: upper, prefixLength: prefixLength + 1)
        else { return nil }
        return (first, second)
    }
}
