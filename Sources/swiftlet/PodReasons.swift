import KubernetesObjects
import Reporting
import ServiceModel
import SwiftletDaemon

/// Says of Services without endpoints what only their pods tell, in the words of `swiftlet explain`.
struct PodReasons {
    let pins: PinOptions
    /// Whether each was named. In a cluster pods are listed for those only: a list of all asks the API server nothing.
    let isNamed: Bool

    func complete(_ listing: inout ServiceListing) {
        let open = listing.services.indices.filter { index in
            listing.services[index].ports.contains { Self.areAsked(for: $0.reasonCode) }
        }
        guard !open.isEmpty, let isCluster = try? ClusterLook.node(pins).manifests.isEmpty else { return }
        let whole = isCluster ? nil : try? ClusterLook.explainer(of: listing.services[open[0]], pins: pins)
        for index in open {
            let item = listing.services[index]
            let explainer = isCluster && isNamed ? try? ClusterLook.explainer(of: item, pins: pins) : whole
            let reasons = explainer?.emptiness(of: ObjectName(namespace: item.namespace, name: item.name)) ?? [:]
            for port in item.ports.indices where Self.areAsked(for: item.ports[port].reasonCode) {
                listing.services[index].ports[port].take(item.portName(port).flatMap { reasons[$0] })
            }
        }
    }

    /// Those that `status` names of a directory of manifests.
    func complete(_ ports: inout [DaemonReport.Empty]) {
        guard ports.contains(where: { Self.areAsked(for: $0.reasonCode) }),
            let node = try? ClusterLook.node(pins), !node.manifests.isEmpty
        else { return }
        let explainer = ClusterLook.explainer(ofManifestsOf: node, pins: pins)
        for index in ports.indices where Self.areAsked(for: ports[index].reasonCode) {
            let name = ObjectName(namespace: ports[index].namespace, name: ports[index].name)
            let reasons = explainer.emptiness(of: name).filter { $0.key.port == ports[index].port }
            guard let found = reasons.min(by: { $0.key < $1.key })?.value else { continue }
            (ports[index].reason, ports[index].reasonCode) = (found.text, found.code.rawValue)
        }
    }

    /// Slices tell of these only that there are no endpoints.
    private static func areAsked(for code: String?) -> Bool {
        [ReasonCode.noSlice, .emptySlice].contains { $0.rawValue == code }
    }
}

extension ServiceListing.Item {
    fileprivate func portName(_ index: Int) -> ServicePortName? {
        let port = ports[index]
        guard let proto = IPProtocol(port.protocol) else { return nil }
        return ServicePortName(
            service: ObjectName(namespace: namespace, name: name), port: port.name, proto: proto,
            family: port.family == 4 ? .v4 : .v6)
    }
}

extension ServiceListing.Port {
    /// A better reason, where one is found.
    fileprivate mutating func take(_ found: Reason?) {
        guard let found else { return }
        (reason, reasonCode, docs) = (found.text, found.code.rawValue, found.code.docs)
    }
}
