package import ServiceModel

/// The kinds of object that are read; all others are passed over.
package enum ObjectKind: UInt8, Hashable, Comparable, CaseIterable {
    case service, slice, endpoints, pod, node

    package init?(apiVersion: String, kind: String) {
        guard let known = Self.allCases.first(where: { $0.word == kind && $0.apiVersion == apiVersion })
        else { return nil }
        self = known
    }

    var apiVersion: String { self == .slice ? "discovery.k8s.io/v1" : "v1" }

    package var word: String {
        switch self {
        case .service: "Service"
        case .slice: "EndpointSlice"
        case .endpoints: "Endpoints"
        case .pod: "Pod"
        case .node: "Node"
        }
    }

    package static func < (left: ObjectKind, right: ObjectKind) -> Bool { left.rawValue < right.rawValue }
}

/// What an object is known by; a Node has an empty namespace.
package struct ObjectKey: Hashable, Comparable, CustomStringConvertible {
    package var kind: ObjectKind
    package var name: ObjectName

    package init(kind: ObjectKind, name: ObjectName) {
        self.kind = kind
        self.name = name
    }

    package var description: String { kind == .node ? "Node \(name.name)" : "\(kind.word) \(name)" }

    package static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        (left.kind, left.name) < (right.kind, right.name)
    }
}

/// An object as it was read: the model's own values, and what the endpoints of a Service are derived from.
package enum KubernetesObject: Hashable {
    case service(ServiceObject)
    case slice(EndpointSlice)
    case endpoints(EndpointsObject)
    case pod(PodObject)
    case node(Node)
}

/// A Service, and the parts of it that matter only where its endpoints are derived from Pods.
package struct ServiceObject: Hashable {
    /// Where a service port leads on a pod.
    package enum TargetPort: Hashable {
        case samePort
        case number(Port)
        case named(String)
        /// What is written is no port: it is none of any pod.
        case unusable
    }

    package var service: Service
    package var families: [IPFamily] = []
    /// One for each of the Service's ports.
    package var targets: [TargetPort] = []
}

/// An Endpoints object, to be mirrored to slices.
package struct EndpointsObject: Hashable {
    package struct Address: Hashable {
        package var address: IPAddress
        package var nodeName: String?
        package var hostname: String?
        package var isReady: Bool
    }

    package struct Subset: Hashable {
        package var addresses: [Address] = []
        package var ports: [EndpointSlice.PortSpec] = []
    }

    package var subsets: [Subset] = []
    /// Its label asks that it be left alone.
    package var isExempt = false
}

/// The parts of a Pod that make it an endpoint.
package struct PodObject: Hashable {
    package struct NamedPort: Hashable {
        package var name: String
        package var proto: IPProtocol
        package var port: Port
    }

    package var labels: [String: String] = [:]
    package var addresses: [IPAddress] = []
    package var nodeName: String?
    /// Its name in DNS below the Service that `subdomain` names; empty where none is written.
    package var hostname = ""
    package var subdomain = ""
    package var ports: [NamedPort] = []
    package var isReady = false
    package var isTerminating = false
    /// Its containers have ended for good.
    package var isOver = false
}
