import KubernetesAPI
package import ServiceModel
import Settings

/// What a running daemon compiles for, so that an explanation compiles for the same.
package struct NodeReport: Codable, Sendable, Hashable {
    package struct NodePortAddress: Codable, Sendable, Hashable {
        package var address: String
        package var hostOnly: Bool
    }

    package var name: String
    package var zone: String?
    package var nodePortAddresses: [NodePortAddress]
    package var primaryAddresses: [String]
    package var proxyName: String?
    package var servesExternalIPs: Bool
    /// Addresses that devices hold and that are not the Node's; nil from an older daemon.
    package var heldAddresses: [String]?
    /// Where this node's pods are, and whether packets of theirs are looked at, for source ranges; nil from an older daemon.
    package var podRanges: [String]?
    package var checksPackets: Bool?
    /// The directories that it reads; none where it follows a cluster.
    package var manifests: [String]

    init(_ node: NodeConfiguration, manifests: [String]) {
        name = node.name
        zone = node.zone
        nodePortAddresses = node.nodePortAddresses.map { .init(address: "\($0.address)", hostOnly: $0.hostOnly) }
        primaryAddresses = node.primaryAddresses.map(\.description)
        proxyName = node.proxyName
        servesExternalIPs = node.servesExternalIPs
        heldAddresses = node.heldAddresses.sorted().map(\.description)
        podRanges = node.podRanges.map(\.description)
        checksPackets = node.checksPackets
        self.manifests = manifests
    }

    /// The node to compile for. Masquerading, which is in no map of Services, is left out.
    package var configuration: NodeConfiguration {
        var node = NodeConfiguration(
            name: name, zone: zone,
            nodePortAddresses: nodePortAddresses.compactMap { entry in
                IPAddress(entry.address).map { ServiceModel.NodePortAddress($0, hostOnly: entry.hostOnly) }
            },
            primaryAddresses: primaryAddresses.compactMap { IPAddress($0) }, proxyName: proxyName)
        node.servesExternalIPs = servesExternalIPs
        node.podRanges = (podRanges ?? []).compactMap { CIDR($0) }
        node.checksPackets = checksPackets ?? false
        node.heldAddresses = Set((heldAddresses ?? []).compactMap { IPAddress($0) })
        return node
    }
}

/// What the API server lists for an explanation, as the daemon passes it on.
package struct LookReport: Codable, Sendable {
    /// JSON: a List.
    package var list: String
    package var unseen: [String]
}

extension ControlPlane {
    var nodeReport: NodeReport {
        NodeReport(node, manifests: configuration.manifests)
    }

    /// What an explanation of `NAMESPACE/NAME`, `*/NAME` of any namespace, or `ADDRESS` is to look at; `@NAMESPACE/POD` behind it is who asks.
    func subject(of text: String) -> CloseLook.Subject {
        let sides = text.split(separator: "@", maxSplits: 1)
        let client = sides.count == 2 ? sides[1].split(separator: "/").map(String.init) : []
        let address = IPAddress("\(sides.first ?? "")")
        let parts = (sides.first ?? "").split(separator: "/").map(String.init)
        var name: ObjectName?
        if let address {
            name =
                compiler.desired.services.values.first { service in
                    service.ports.contains { $0.frontends.contains { $0.key.address == address } }
                }?.name
        } else if parts.count == 2 {
            name = ObjectName(namespace: parts[0] == "*" ? "default" : parts[0], name: parts[1])
            if parts[0] == "*", name.flatMap({ state.service(named: $0) }) == nil {
                name = state.serviceNames.filter { $0.name == parts[1] }.min() ?? name
            }
        }
        let selector = name.flatMap { state.service(named: $0)?.selector } ?? [:]
        return CloseLook.Subject(
            service: name, selector: selector, address: address,
            client: client.count == 2 ? ObjectName(namespace: client[0], name: client[1]) : nil)
    }
}
