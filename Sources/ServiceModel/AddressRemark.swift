/// An address of a Service that is served otherwise than its owner may think, or not at all.
package struct AddressRemark: Sendable, Hashable {
    package enum Cause: Sendable, Hashable {
        /// A ClusterIP that a device of the node holds, as NodeLocal DNSCache does: the program that listens there answers.
        case heldByDevice
        /// Unspecified, broadcast, multicast or link-local (spec 60).
        case noFrontend
        /// Loopback is each network namespace's own (spec 60).
        case loopback
    }

    package var address: IPAddress
    package var kind: DesiredFrontend.Kind
    package var cause: Cause

    /// What is the matter, without the Service's name.
    package var text: String {
        switch cause {
        case .heldByDevice:
            "\(kind.text) \(address) is left to what listens there: a device of this node holds the address"
        case .noFrontend:
            "\(kind.text) \(address) is not served: an unspecified, broadcast, multicast or link-local address leads to no Service"
        case .loopback:
            "\(kind.text) \(address) is served for the node's own sockets only: loopback is each network namespace's own"
        }
    }
}

extension Service {
    /// What is to be said of its addresses on a node; in most cases nothing.
    package func addressRemarks(on node: NodeConfiguration) -> [AddressRemark] {
        guard reasonToLeaveAlone(for: node.proxyName) == nil else { return [] }
        let clusterIPs = clusterIPOfEachFamily
        let families = clusterIPs.map(\.family)
        func judge(_ address: IPAddress, _ kind: DesiredFrontend.Kind) -> AddressRemark? {
            if kind == .clusterIP, node.heldAddresses.contains(address) {
                return AddressRemark(address: address, kind: kind, cause: .heldByDevice)
            }
            if !address.mayBeFrontend { return AddressRemark(address: address, kind: kind, cause: .noFrontend) }
            return address.isLoopback ? AddressRemark(address: address, kind: kind, cause: .loopback) : nil
        }
        var remarks = clusterIPs.compactMap { judge($0, .clusterIP) }
        remarks += servedIngress.map(\.address).filter { families.contains($0.family) }
            .compactMap { judge($0, .loadBalancer) }
        if node.servesExternalIPs {
            remarks += externalIPs.filter { families.contains($0.family) }.compactMap { judge($0, .externalIP) }
        }
        return remarks
    }
}
