import DatapathInstall
import ServiceModel

/// When the hooks attach: decided once, before anything is programmed.
enum AttachMoment: Sendable {
    /// Never: the daemon only observes.
    case never
    /// Without waiting for the list of an API server, which may be long in coming. Meanwhile the hooks serve what an earlier process left
    /// in the maps, or what the cache holds; nothing of that is removed before the complete list (spec 10).
    case beforeList
    /// With the directory read and nothing written. What an earlier process left is served by our programs before an entry of
    /// it changes: that process may have ended while its maps grew, and its programs then run on maps that are no longer pinned
    /// and no longer written. Not before the list: the Node in it chooses the devices, and it is there at once.
    case beforeFirstWrite
    /// With the complete list in the maps. On a node without any before, where a directory is read at once: "ready" is then the
    /// first moment, and a whole one. After a change of the maps' layout: until then the other version's programs serve, since
    /// our maps lack what could not be copied.
    case afterFirstList

    /// - Parameters:
    ///   - needsWholeState: see `DatapathKeeper`; nil when there is nothing to attach.
    ///   - asksAPIServer: the list comes from an API server, not from a directory.
    ///   - hasEmptyMaps: no frontend is in the maps.
    init(needsWholeState: Bool?, asksAPIServer: Bool, hasEmptyMaps: Bool) {
        switch needsWholeState {
        case nil: self = .never
        case true?: self = .afterFirstList
        case false? where asksAPIServer: self = .beforeList
        case false?: self = hasEmptyMaps ? .afterFirstList : .beforeFirstWrite
        }
    }
}

/// The hooks of a daemon, which attach at their moment.
struct Hooks: Sendable {
    let keeper: DatapathKeeper?
    let moment: AttachMoment

    init(of keeper: DatapathKeeper?, asksAPIServer: Bool, hasEmptyMaps: Bool) {
        self.keeper = keeper
        moment = AttachMoment(
            needsWholeState: keeper?.needsWholeState, asksAPIServer: asksAPIServer, hasEmptyMaps: hasEmptyMaps)
    }

    /// A moment has come, and with it this much is known of the node and its cluster.
    func attach(at reached: AttachMoment, _ node: NodeFacts, _ cluster: ClusterState) async throws {
        guard let keeper, reached == moment, await !keeper.isAttached else { return }
        try await keeper.attach(node, cluster)
    }
}
