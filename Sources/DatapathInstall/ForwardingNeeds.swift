package import NodeNetwork
import ServiceModel

extension ForwardingSettings.Needs {
    /// What packets need that the programs at tc send on: they do not enter the stack with an address of this node.
    package init(_ network: NetworkSnapshot, nodePorts: PortRange = .usualNodePorts) {
        let families = network.addresses.filter { $0.scope == .global && !$0.address.isLinkLocal }.map(\.family)
        self.init(families: Set(families), localSources: false, nodePorts: nodePorts)
    }
}
