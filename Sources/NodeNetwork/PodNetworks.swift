package import ServiceModel

extension NetworkSnapshot {
    /// Where the pods of this node are, as its routes tell: neighbours on a bridge or on a virtual device.
    ///
    /// A device by which a default route leads is towards the network, whatever its kind.
    package var podNetworks: [CIDR] {
        let outward = Set(defaultRoutes.map(\.link))
        let virtual = Set(
            links.lazy.filter { EndpointDevices.kindsOfPods.contains($0.kind ?? "") }.map(\.index)
        ).subtracting(outward)
        let found = routes.routes.filter { route in
            route.gateway == nil && route.destination.prefixLength > 0 && route.link.map(virtual.contains) == true
                && !route.destination.network.isLinkLocal
        }
        return Set(found.map(\.destination)).sorted { ($0.network, $0.prefixLength) < ($1.network, $1.prefixLength) }
    }
}
