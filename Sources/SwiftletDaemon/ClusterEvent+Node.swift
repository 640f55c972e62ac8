import ServiceModel

extension [ClusterEvent] {
    /// The Node object of this name, if it is among them.
    func node(named name: String) -> Node? {
        lazy.compactMap { if case .node(let node) = $0, node.name == name { node } else { nil } }.first
    }
}
