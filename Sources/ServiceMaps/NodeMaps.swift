package import BPFLoader
internal import CDatapath
package import ServiceModel

/// What the programs at tc are told about the node, apart from its devices.
package struct NodeMapEntries: Hashable, Sendable {
    /// Where flows that get an address of the node take their ports from: four ranges at most, in order.
    package var masqueradePorts: [ClosedRange<UInt16>]
    /// The node's address towards ranges of endpoints, where it is not the device's own.
    package var sources: [Source]
    /// Where nothing may go that has got an address of the node: an IPsec policy is about it.
    package var closedRanges: [CIDR]

    package struct Source: Hashable, Sendable {
        /// The index of the interface that they are reached by.
        package var device: UInt32
        package var range: CIDR
        package var address: IPAddress

        package init(device: UInt32, range: CIDR, address: IPAddress) {
            self.device = device
            self.range = range
            self.address = address
        }
    }

    package init(
        masqueradePorts: [ClosedRange<UInt16>] = [], sources: [Source] = [], closedRanges: [CIDR] = []
    ) {
        self.masqueradePorts = masqueradePorts
        self.sources = sources
        self.closedRanges = closedRanges
    }
}

/// Writes what the programs at tc are told about the node: `masq_ports`, `node_sources4/6` and `ipsec4/6`.
package struct NodeMaps: ~Copyable {
    private let ports: BPFMap
    private let sources4: BPFMap
    private let sources6: BPFMap
    private let ipsec4: BPFMap
    private let ipsec6: BPFMap

    /// Opens the maps, each with `open`: from its pin, or from a loaded object.
    package init(open: (ServiceMap) throws(BPFError) -> BPFMap) throws(BPFError) {
        let ports = try open(.masqueradePorts)
        let sources4 = try open(.nodeSources4)
        let sources6 = try open(.nodeSources6)
        let ipsec4 = try open(.ipsec4)
        let ipsec6 = try open(.ipsec6)
        self.ports = ports
        self.sources4 = sources4
        self.sources6 = sources6
        self.ipsec4 = ipsec4
        self.ipsec6 = ipsec6
    }

    /// Writes what there is and then removes what is no more: at no moment is a range open that stays closed.
    package func write(_ entries: NodeMapEntries) throws(BPFError) {
        try write(closed(entries.closedRanges, .v4).map(ipsec4_key.init), ipsec4)
        try write(closed(entries.closedRanges, .v6).map(ipsec6_key.init), ipsec6)
        try write(entries.sources, .v4, sources4, node_source4_key.self, node_source4.self)
        try write(entries.sources, .v6, sources6, node_source6_key.self, node_source6.self)
        let before = try ports.lookup(UInt32(0), as: masq_ports.self) ?? masq_ports()
        try ports.update(UInt32(0), to: masq_ports(entries.masqueradePorts, after: before))
    }

    /// Of one family. More than there is room for are all addresses: rather closed than clear.
    private func closed(_ ranges: [CIDR], _ family: IPFamily) -> [CIDR] {
        let own = ranges.filter { $0.family == family }
        guard own.count > Int(LB_IPSEC_RANGES), let first = own.first else { return own }
        return CIDR(network: first.network, prefixLength: 0).map { [$0] } ?? own
    }

    private func write<Key: IPsecKeyLayout & BitwiseCopyable>(_ keys: [Key], _ map: borrowing BPFMap) throws(BPFError) {
        for key in keys { try map.update(key, to: ipsec_policy.applying) }
        try remove(from: map, ipsec_policy.self, allBut: keys)
    }

    private func write<Key: NodeSourceKeyLayout & BitwiseCopyable, Value: NodeSourceLayout & BitwiseCopyable>(
        _ sources: [NodeMapEntries.Source], _ family: IPFamily, _ map: borrowing BPFMap, _: Key.Type, _: Value.Type
    ) throws(BPFError) {
        let own = sources.filter { $0.range.family == family }
        // What is no more makes room first where there is little; the device's own address serves for a moment.
        let keys = own.map { Key($0.range, by: $0.device) }
        try remove(from: map, Value.self, allBut: keys)
        for (key, source) in zip(keys, own) { try map.update(key, to: Value(source.address)) }
    }

    private func remove<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        from map: borrowing BPFMap, _: Value.Type, allBut keys: [Key]
    ) throws(BPFError) {
        let kept = Set(keys.map(bytes))
        for entry in try map.entries(key: Key.self, value: Value.self) where !kept.contains(bytes(entry.key)) {
            try map.delete(entry.key)
        }
    }
}

/// The bytes of a struct without padding, for comparing.
private func bytes<Value: BitwiseCopyable>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
