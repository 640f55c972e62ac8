import KubernetesAPI
import Reporting
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

    /// What an explanation of `NAMESPACE/NAME`, `*/NAME` of any namespace, `ADDRESS` or `ADDRESS:PORT` is to look at;
    /// `@NAMESPACE/POD` behind it names the client.
    func subject(of text: String) -> CloseLook.Subject {
        let sides = text.split(separator: "@", maxSplits: 1).map(String.init)
        let client = sides.count == 2 ? sides[1].split(separator: "/").map(String.init) : []
        let name = subjects(of: text).first
        return CloseLook.Subject(
            service: name, selector: name.flatMap { state.service(named: $0)?.selector } ?? [:],
            address: sides.first.flatMap { ExplainQuestion.Subject($0)?.address },
            client: client.count == 2 ? ObjectName(namespace: client[0], name: client[1]) : nil)
    }

    /// The Services that are meant; of an address those that have a frontend there, and at its port if it has one.
    func subjects(of text: String) -> [ObjectName] {
        let words = "\(text.prefix { $0 != "@" })"
        switch ExplainQuestion.Subject(words) {
        case .address(let address, let port):
            return subjects { $0.address == address && $0.port == port } ?? subjects { $0.address == address } ?? []
        case .service(let namespace, let name, _):
            if let address = IPAddress(name) { return subjects { $0.address == address } ?? [] }
            let named = ObjectName(namespace: namespace ?? "default", name: name)
            if namespace != "*" { return [named] }
            let usual = ObjectName(namespace: "default", name: name)
            if state.service(named: usual) != nil { return [usual] }
            return [state.serviceNames.filter { $0.name == name }.min() ?? usual]
        case nil: return []
        }
    }

    private func subjects(where isMeant: (FrontendKey) -> Bool) -> [ObjectName]? {
        let found = compiler.desired.services.values.filter { service in
            service.ports.contains { $0.frontends.contains { isMeant($0.key) } }
        }
        return found.isEmpty ? nil : found.map(\.name).sorted()
    }
}
