import KubernetesObjects

/// Of which Services and endpoints something is wanted.
package enum ServiceScope: Sendable, Hashable {
    /// Those that this proxy serves.
    case served
    /// All: each has names.
    case named
}

/// Which objects of a resource are asked for: what is not ours stays on the API server (spec 1 to 3).
struct Selection: Sendable, Hashable {
    var resource: APIResource
    var kind: ObjectKind
    var part: StateGate.Part
    var labels: String?
    var fields: String?
    /// The model leaves out by itself what the field selector leaves out, so that it can be done without.
    var isFieldSelectorDispensable = false

    private static let proxyName = "service.kubernetes.io/service-proxy-name"
    private static let headless = "service.kubernetes.io/headless"

    /// - Parameter proxyName: nil for the default proxy.
    static func services(proxyName: String?, _ scope: ServiceScope) -> Selection {
        // A headless Service has names, and so has another proxy's.
        if scope == .named { return Selection(resource: .services, kind: .service, part: .services) }
        let own = proxyName.map { "\(Self.proxyName)=\($0)" } ?? "!\(Self.proxyName)"
        return Selection(
            resource: .services, kind: .service, part: .services, labels: "\(own),!\(headless)",
            fields: "spec.clusterIP!=None",
            isFieldSelectorDispensable: true)
    }

    /// Slices carry their Service's labels only where the control plane made them: those of a Service that is not ours
    /// cannot all be told by their labels, and the model does.
    static func slices(_ scope: ServiceScope) -> Selection {
        Selection(
            resource: .slices, kind: .slice, part: .slices, labels: scope == .named ? nil : "!\(headless)")
    }

    static func node(_ name: String) -> Selection {
        Selection(resource: .nodes, kind: .node, part: .node, fields: "metadata.name=\(name)")
    }

    var query: [(String, String)] {
        [("labelSelector", labels), ("fieldSelector", fields)].compactMap { name, value in value.map { (name, $0) } }
    }
}
