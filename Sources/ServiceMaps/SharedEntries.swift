internal import ServiceModel

/// The entries that frontends of several service ports share: `vips4/6` and `node_ports`.
///
/// They follow from the frontends that are in the maps; what changed is noted here and written afterwards.
struct SharedEntries {
    /// The frontends with an address, and what the map says of it.
    struct VIP {
        var frontends: UInt32 = 0
        var clusterIPs: UInt32 = 0
        /// A service port with a ClusterIP here.
        var owner = ServiceID(0)
        var written: VIPEntry?

    }

    /// The service ports with NodePort frontends on a port: one, mostly, in both families.
    struct NodePort {
        /// The first one is in the map, as long as it claims the port.
        var claims: [(service: ServiceID, frontends: UInt32)] = []
        var written: ServiceID?

        var wanted: ServiceID? { claims.first?.service }
    }

    private var nodeAddresses: Set<IPAddress> = []
    var vips = CompactDictionary<IPAddress, VIP>()
    var nodePorts: [NodePortKey: NodePort] = [:]
    var changedVIPs: Set<IPAddress> = []
    var changedNodePorts: Set<NodePortKey> = []

    /// Only a ClusterIP refuses what it does not serve (spec 28); other addresses are those of hosts, and so is one of the
    /// node's that a Service has as its ClusterIP.
    private func wanted(_ vip: VIP, at address: IPAddress) -> VIPEntry? {
        vip.clusterIPs > 0 && !nodeAddresses.contains(address) ? VIPEntry(frontends: vip.frontends) : nil
    }

    mutating func setNodeAddresses(_ addresses: Set<IPAddress>) {
        let changed = nodeAddresses.symmetricDifference(addresses)
        nodeAddresses = addresses
        for address in changed { vips[address].map { note($0, at: address) } }
    }

    /// Whether something is not yet written.
    var isBehind: Bool { !changedVIPs.isEmpty || !changedNodePorts.isEmpty }

    /// A frontend is now in the map.
    mutating func add(_ key: FrontendKey, _ entry: ServiceEntry) {
        var vip = vips[key.address] ?? VIP()
        vip.frontends += 1
        if entry.kind == .clusterIP {
            vip.clusterIPs += 1
            vip.owner = entry.service
        }
        note(vip, at: key.address)
        guard entry.kind == .nodePort else { return }
        let nodePortKey = NodePortKey(port: key.port, proto: key.proto)
        var nodePort = nodePorts[nodePortKey] ?? NodePort()
        if let index = nodePort.claims.firstIndex(where: { $0.service == entry.service }) {
            nodePort.claims[index].frontends += 1
        } else {
            nodePort.claims.append((entry.service, 1))
        }
        note(nodePort, at: nodePortKey)
    }

    /// A frontend is in the map no more.
    mutating func remove(_ key: FrontendKey, _ entry: ServiceEntry) {
        if var vip = vips[key.address] {
            vip.frontends -= 1
            if entry.kind == .clusterIP { vip.clusterIPs -= 1 }
            note(vip, at: key.address)
        }
        let nodePortKey = NodePortKey(port: key.port, proto: key.proto)
        guard entry.kind == .nodePort, var nodePort = nodePorts[nodePortKey],
            let index = nodePort.claims.firstIndex(where: { $0.service == entry.service })
        else { return }
        nodePort.claims[index].frontends -= 1
        if nodePort.claims[index].frontends == 0 { nodePort.claims.remove(at: index) }
        note(nodePort, at: nodePortKey)
    }

    /// What the maps held when we started.
    mutating func found(_ entry: VIPEntry, at address: IPAddress) {
        var vip = vips[address] ?? VIP()
        vip.written = entry
        note(vip, at: address)
    }

    /// What the maps held when we started; called after the frontends have been added.
    mutating func found(_ service: ServiceID, at key: NodePortKey) {
        var nodePort = nodePorts[key] ?? NodePort()
        nodePort.written = service
        if let index = nodePort.claims.firstIndex(where: { $0.service == service }) {
            nodePort.claims.swapAt(0, index)
        }
        note(nodePort, at: key)
    }

    mutating func wrote(_ entry: VIPEntry?, at address: IPAddress) {
        guard var vip = vips[address] else { return }
        vip.written = entry
        note(vip, at: address)
    }

    mutating func wrote(_ service: ServiceID?, at key: NodePortKey) {
        guard var nodePort = nodePorts[key] else { return }
        nodePort.written = service
        note(nodePort, at: key)
    }

    private mutating func note(_ vip: VIP, at address: IPAddress) {
        vips[address] = vip.frontends == 0 && vip.written == nil ? nil : vip
        if wanted(vip, at: address) == vip.written { changedVIPs.remove(address) } else { changedVIPs.insert(address) }
    }

    private mutating func note(_ nodePort: NodePort, at key: NodePortKey) {
        nodePorts[key] = nodePort.claims.isEmpty && nodePort.written == nil ? nil : nodePort
        if nodePort.wanted == nodePort.written { changedNodePorts.remove(key) } else { changedNodePorts.insert(key) }
    }

    /// The operations that make the maps follow, in a stable order.
    func plan() -> [PlannedOperation] {
        var operations: [PlannedOperation] = []
        for address in changedVIPs.sorted() {
            guard let vip = vips[address] else { continue }
            let operation = wanted(vip, at: address).map { MapOperation.putVIP(address, $0) } ?? .deleteVIP(address)
            operations.append(PlannedOperation(operation: operation, owner: vip.owner))
        }
        for key in changedNodePorts.sorted() {
            guard let nodePort = nodePorts[key] else { continue }
            let operation = nodePort.wanted.map { MapOperation.putNodePort(key, $0) } ?? .deleteNodePort(key)
            let owner = nodePort.wanted ?? nodePort.written ?? ServiceID(0)
            operations.append(PlannedOperation(operation: operation, owner: owner))
        }
        return operations
    }
}
