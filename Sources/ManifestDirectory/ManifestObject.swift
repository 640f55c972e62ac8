import ServiceModel

/// The kinds of object that are read; all others are passed over.
enum ObjectKind: UInt8, Hashable, Comparable {
    case service, slice, endpoints, pod, node

    init?(apiVersion: String, kind: String) {
        switch (apiVersion, kind) {
        case ("v1", "Service"): self = .service
        case ("discovery.k8s.io/v1", "EndpointSlice"): self = .slice
        case ("v1", "Endpoints"): self = .endpoints
        case ("v1", "Pod"): self = .pod
        case ("v1", "Node"): self = .node
        default: return nil
        }
    }

    var word: String {
        switch self {
        case .service: "Service"
        case .slice: "EndpointSlice"
        case .endpoints: "Endpoints"
        case .pod: "Pod"
        case .node: "Node"
        }
    }

    static func < (left: ObjectKind, right: ObjectKind) -> Bool { left.rawValue < right.rawValue }
}

/// What an object is known by; a Node has an empty namespace.
struct ObjectKey: Hashable, Comparable, CustomStringConvertible {
    var kind: ObjectKind
    var name: ObjectName

    var description: String { kind == .node ? "Node \(name.name)" : "\(kind.word) \(name)" }

    static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        (left.kind, left.name) < (right.kind, right.name)
    }
}

/// An object as it was read: the model's own values, and what the endpoints of a Service are derived from.
enum ManifestObject: Hashable {
    case service(ServiceManifest)
    case slice(EndpointSlice)
    case endpoints(EndpointsManifest)
    case pod(PodManifest)
    case node(Node)
}

/// A Service, and the parts of it that matter only where its endpoints are derived from Pods.
struct ServiceManifest: Hashable {
    /// Where a service port leads on a pod.
    enum TargetPort: Hashable {
        case samePort
        case number(Port)
        case named(String)
    }

    var service: Service
    var families: [IPFamily] = []
    /// One for each of the Service's ports.
    var targets: [TargetPort] = []
}

/// An Endpoints object, to be mirrored to slices.
struct EndpointsManifest: Hashable {
    struct Address: Hashable {
        var address: IPAddress
        var nodeName: String?
        var isReady: Bool
    }

    struct Subset: Hashable {
        var addresses: [Address] = []
        var ports: [EndpointSlice.PortSpec] = []
    }

    var subsets: [Subset] = []
    /// Its label asks that it be left alone.
    var isExempt = false
}

/// The parts of a Pod that make it an endpoint.
struct PodManifest: Hashable {
    struct NamedPort: Hashable {
        var name: String
        var proto: IPProtocol
        var port: Port
    }

    var labels: [String: String] = [:]
    var addresses: [IPAddress] = []
    var nodeName: String?
    var ports: [NamedPort] = []
    var isReady = false
    var isTerminating = false
    /// Its containers have ended for good.
    var isOver = false
}
