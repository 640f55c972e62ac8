package import ServiceModel

/// The source addresses that the kernel gives to what leaves by one device: what `ip route get` shows (spec 54).
package struct DeviceSources: Hashable, Sendable {
    /// Towards all that `others` does not have; nil where the kernel has none to give.
    package var usual4: IPAddress?
    package var usual6: IPAddress?
    /// Towards ranges of which it differs. The longest prefix wins.
    package var others: [Exception]

    package struct Exception: Hashable, Sendable {
        package var range: CIDR
        package var address: IPAddress
    }

    /// The source towards an address that is reached by this device.
    package func address(towards destination: IPAddress) -> IPAddress? {
        let around = others.filter { $0.range.contains(destination) }
        let best = around.max { $0.range.prefixLength < $1.range.prefixLength }
        return best?.address ?? (destination.family == .v4 ? usual4 : usual6)
    }
}

extension NetworkSnapshot {
    /// What leaves by each of some devices comes from which address.
    package func sources(by links: some Sequence<LinkIndex>) -> [LinkIndex: DeviceSources] {
        let wanted = Set(links)
        var routes: [LinkIndex: [NetworkRoute]] = [:]
        for route in self.routes.routes {
            if let link = route.link, wanted.contains(link) { routes[link, default: []].append(route) }
        }
        var sources: [LinkIndex: DeviceSources] = [:]
        for link in wanted {
            let routes = (routes[link] ?? []).withoutWorse
            let (usual4, others4) = SourceChoice4(network: self, link: link).sources(routes)
            let (usual6, others6) = SourceChoice6(network: self, link: link).sources(routes)
            sources[link] = DeviceSources(usual4: usual4, usual6: usual6, others: others4 + others6)
        }
        return sources
    }
}

extension [NetworkRoute] {
    /// One for each destination: they are sorted by metric.
    fileprivate var withoutWorse: [NetworkRoute] {
        var known: Set<CIDR> = []
        return filter { known.insert($0.destination).inserted }
    }
}

/// IPv4: the route decides, and where it says nothing the kernel's inet_select_addr.
private struct SourceChoice4 {
    let network: NetworkSnapshot
    let link: LinkIndex

    func sources(_ routes: [NetworkRoute]) -> (IPAddress?, [DeviceSources.Exception]) {
        let routes = routes.filter { $0.destination.family == .v4 }
        let byDefault = routes.first { $0.destination.prefixLength == 0 }
        let usual = byDefault.map(source) ?? select(scope: .global, neighbor: nil)
        let found = routes.compactMap { route in
            source(route).map { DeviceSources.Exception(range: route.destination, address: $0) }
        }
        return (usual, found.withoutRepetition(of: usual))
    }

    private func source(_ route: NetworkRoute) -> IPAddress? {
        route.source ?? select(scope: route.scope, neighbor: route.gateway)
    }

    /// inet_select_addr (net/ipv4/devinet.c): of the device's primary addresses the first in the neighbour's subnet, or
    /// else the first; of other devices the first that is not for one link only.
    private func select(scope: RouteScope, neighbor: IPAddress?) -> IPAddress? {
        let candidates = network.addresses.filter { $0.family == .v4 && !$0.isSecondary && $0.scope <= scope }
        let own = candidates.filter { $0.link == link }
        let near = neighbor.flatMap { neighbor in own.first { $0.subnet?.contains(neighbor) == true } }
        return (near ?? own.first ?? candidates.first { $0.link != link && $0.scope != .link })?.address
    }
}

extension [DeviceSources.Exception] {
    /// What a shorter prefix does not say already.
    ///
    /// - Parameter usual: what holds where nothing is said.
    func withoutRepetition(of usual: IPAddress?) -> [DeviceSources.Exception] {
        var kept: [DeviceSources.Exception] = []
        // The prefixes around the present one, each with what holds there.
        var around: [DeviceSources.Exception] = []
        let sorted = sorted { ($0.range.network, $0.range.prefixLength) < ($1.range.network, $1.range.prefixLength) }
        for entry in sorted {
            while let last = around.last, !last.range.contains(entry.range.network) { around.removeLast() }
            if (around.last?.address ?? usual) != entry.address { kept.append(entry) }
            around.append(entry)
        }
        return kept
    }
}
