import KubernetesObjects
import ServiceModel

extension StateBatch {
    /// The Node object of this name, if the batch has it.
    func node(named name: String) -> Node? {
        events.lazy.compactMap { if case .node(let node) = $0, node.name == name { node } else { nil } }.first
    }
}
