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
            listing.services[index].ports.contains(where: \.asksForPods)
        }
        guard !open.isEmpty, let isCluster = try? ClusterLook.node(pins).manifests.isEmpty else { return }
        let whole = isCluster ? nil : try? ClusterLook.explainer(of: listing.services[open[0]], pins: pins)
        for index in open {
            let item = listing.services[index]
            let explainer = isCluster && isNamed ? try? ClusterLook.explainer(of: item, pins: pins) : whole
            let reasons = explainer?.emptiness(of: ObjectName(namespace: item.namespace, name: item.name)) ?? [:]
            for port in item.ports.indices where item.ports[port].asksForPods {
                listing.services[index].ports[port].take(item.portName(port).flatMap { reasons[$0] }, of: item)
            }
        }
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
    /// Slices tell of it only that there are no endpoints.
    fileprivate var asksForPods: Bool {
        [ReasonCode.noSlice, .emptySlice].contains { $0.rawValue == reasonCode }
    }

    /// A better reason, or where one is found.
    fileprivate mutating func take(_ found: Reason?, of item: ServiceListing.Item) {
        guard let found else {
            reason = reason.map { "\($0); `swiftlet explain \(item.namespace)/\(item.name)` looks at its pods" }
            return
        }
        (reason, reasonCode, docs) = (found.text, found.code.rawValue, found.code.docs)
    }
}
