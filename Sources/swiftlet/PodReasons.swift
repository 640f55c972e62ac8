import KubernetesObjects
import Reporting
import ServiceModel
import SwiftletDaemon

/// Says of Services of a cluster that have no endpoints what only their pods tell, in the words of `swiftlet explain`. Of
/// manifests the daemon says it.
struct PodReasons {
    let pins: PinOptions

    /// Asks the API server for each Service.
    func complete(_ listing: inout ServiceListing) {
        let open = listing.services.indices.filter { index in
            listing.services[index].ports.contains { Self.areAsked(for: $0.reasonCode) }
        }
        guard !open.isEmpty, let node = try? ClusterLook.node(pins), node.manifests.isEmpty else { return }
        for index in open {
            let item = listing.services[index]
            let explainer = try? ClusterLook.explainer(of: item, pins: pins)
            let reasons = explainer?.emptiness(of: ObjectName(namespace: item.namespace, name: item.name)) ?? [:]
            for port in item.ports.indices where Self.areAsked(for: item.ports[port].reasonCode) {
                listing.services[index].ports[port].take(item.portName(port).flatMap { reasons[$0] })
            }
        }
    }

    /// Slices tell of these only that there are no endpoints, or none that is ready.
    private static func areAsked(for code: String?) -> Bool {
        [ReasonCode.noSlice, .emptySlice, .notReady].contains { $0.rawValue == code }
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
