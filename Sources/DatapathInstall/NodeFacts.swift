package import ServiceModel

/// What the Node object says that matters at tc.
package struct NodeFacts: Sendable, Hashable {
    package var addresses: Set<IPAddress> = []
    /// The ranges of the node's own pods.
    package var podCIDRs: [CIDR] = []

    package init() {}
}

extension NodeFacts {
    package init(_ node: Node?) {
        self.init()
        addresses = Set(node?.addresses ?? [])
        podCIDRs = node?.podCIDRs ?? []
    }
}
