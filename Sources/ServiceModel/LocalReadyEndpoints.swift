extension ClusterState {
    /// How many ready endpoints of a Service run on a node: what its health check port tells (spec 45).
    ///
    /// Addresses are counted, whatever their ports. A pod of a dual-stack Service has two: the family with more counts.
    public func localReadyEndpoints(of service: ObjectName, on node: NodeConfiguration) -> Int {
        var addresses: Set<IPAddress> = []
        for slice in slices(of: service) where !slice.ports.isEmpty {
            for endpoint in slice.endpoints where endpoint.ready && endpoint.isLocal(to: node) {
                addresses.insert(endpoint.address)
            }
        }
        let ofIPv4 = addresses.count { $0.family == .v4 }
        return max(ofIPv4, addresses.count - ofIPv4)
    }
}
