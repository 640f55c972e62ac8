package import DatapathInstall
package import KubernetesObjects
import ServiceMaps
package import ServiceModel

/// A draft of a node's maps, into which new objects are compiled and written as the daemon would do it.
package struct MapDraft {
    private let store: DraftStore
    private var writer: ServiceMapWriter<DraftStore>
    private let before: ProgrammedState
    private let node: NodeConfiguration

    /// Begins with the pinned maps.
    ///
    /// - Parameter addresses: of the node's devices, where a ClusterIP refuses no other ports.
    package init(
        pins: DatapathPins, node: NodeConfiguration, addresses: Set<IPAddress>
    ) throws {
        let maps = try BPFMapStore(pins: pins)
        store = try DraftStore(copying: maps)
        writer = try ServiceMapWriter(store: store, grace: NoGracePeriod(), capacities: .unbounded)
        _ = writer.setNodeAddresses(addresses)
        before = try ProgrammedState.read(from: store)
        self.node = node
    }

    /// Begins with what other objects come to, in maps that nothing is in.
    package init(
        events: [ClusterEvent], node: NodeConfiguration, addresses: Set<IPAddress>
    ) throws {
        store = DraftStore(capacities: MapCapacities(possibleCPUs: 1))
        writer = try ServiceMapWriter(store: store, grace: NoGracePeriod(), capacities: .unbounded)
        _ = writer.setNodeAddresses(addresses)
        self.node = node
        _ = writer.apply(upserts: Self.compile(events, node))
        _ = try writer.reclaim()
        store.resetCounts()
        before = try ProgrammedState.read(from: store)
    }

    /// What the new objects would change.
    ///
    /// - Parameters:
    ///   - node: as it would be then; nil for as it is.
    ///   - problems: those of the new objects; what is refused stays as it is.
    ///   - isWhole: what the objects do not define goes.
    package mutating func report(
        of events: [ClusterEvent], for node: NodeConfiguration? = nil, problems: [StateProblem], isWhole: Bool
    ) throws -> ChangeReport {
        let services = Self.compile(events, node ?? self.node)
        let wanted = Set(services.map(\.name))
        let spared = Set(problems.compactMap(\.hides.service))
        let keepsAll = problems.contains { $0.hides == .anything }
        let gone = isWhole && !keepsAll ? known.subtracting(wanted).subtracting(spared).sorted() : []
        let applied = writer.apply(upserts: services, removals: gone)
        _ = try writer.reclaim()
        var report = ChangeReport(
            from: before, to: try ProgrammedState.read(from: store), writes: store.writes,
            failures: applied.failures.map(\.description), problems: problems.map(\.description))
        // What two Services claim is no less known for it.
        report.isPartial = problems.contains { $0.isRefusal && $0.kind != .conflict }
        return report
    }

    private var known: Set<ObjectName> { Set(before.ports.compactMap(\.name?.service)) }

    private static func compile(_ events: [ClusterEvent], _ node: NodeConfiguration) -> [DesiredService] {
        var state = ClusterState(ownNode: node.name)
        let dirty = state.apply(events)
        var compiler = Compiler()
        return compiler.update(dirty: dirty, state: state, node: node).upserts
    }
}

extension MapCapacities {
    /// No bounds but those of the store.
    fileprivate static var unbounded: MapCapacities {
        MapCapacities(
            services: .max / 2, slots: .max, backends: .max / 2, sourceRanges: .max, countsBackends: true,
            possibleCPUs: 1)
    }
}

extension ChangeReport {
    /// The same with the connections that the node's maps remember.
    package func noting(_ memory: MapMemory, _ sockets: OpenSockets) throws -> ChangeReport {
        var report = self
        report.note(sockets: try memory.sockets(of: sockets), flows: try memory.flows())
        return report
    }
}
