/// The parts of a Kubernetes Service that decide its translation.
package struct Service: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case loadBalancer = "LoadBalancer"
        case externalName = "ExternalName"
    }

    package enum TrafficPolicy: String, Sendable, Hashable {
        case cluster = "Cluster"
        case local = "Local"
    }

    package struct PortSpec: Sendable, Hashable {
        /// Empty for the only port of a Service.
        package var name: String
        package var proto: IPProtocol
        package var port: Port
        package var nodePort: Port?

        package init(name: String = "", proto: IPProtocol = .tcp, port: Port, nodePort: Port? = nil) {
            self.name = name
            self.proto = proto
            self.port = port
            self.nodePort = nodePort
        }
    }

    /// An entry of `status.loadBalancer.ingress` that has an address.
    package struct Ingress: Sendable, Hashable {
        package enum Mode: String, Sendable, Hashable {
            case vip = "VIP"
            case proxy = "Proxy"
        }
        package var address: IPAddress
        package var mode: Mode

        package init(address: IPAddress, mode: Mode = .vip) {
            self.address = address
            self.mode = mode
        }
    }

    package var name: ObjectName
    package var labels: [String: String] = [:]
    package var annotations: [String: String] = [:]
    package var kind: Kind = .clusterIP
    /// `None` was written: a headless Service (spec 1).
    package var isHeadless = false
    /// `clusterIPs`, or `clusterIP` alone where the list is absent; empty when headless.
    package var clusterIPs: [IPAddress] = []
    package var ports: [PortSpec] = []
    package var externalIPs: [IPAddress] = []
    package var ingress: [Ingress] = []
    /// As written, trimmed by the model (spec 24).
    package var loadBalancerSourceRanges: [String] = []
    /// Nil without session affinity, otherwise the ClientIP time-out (spec 34).
    package var affinitySeconds: UInt32?
    package var externalPolicy: TrafficPolicy = .cluster
    package var internalPolicy: TrafficPolicy = .cluster
    package var healthCheckNodePort: Port?
    package var publishNotReadyAddresses = false
    /// Nil when the Service has no selector, and its slices come from somewhere else.
    package var selector: [String: String]?
    package var externalName: String?
    /// When the API server made the object: the older one of two keeps what both claim (spec 25).
    package var created: UnixTime?

    /// A Service that makes more frontends, counted without those of NodePorts, is not served with all of its addresses: the
    /// maps are for all Services.
    package static let mostFrontends = 10_000
    /// A Service whose ports would have more source ranges together is refused: to serve it without them would open it.
    package static let mostSourceRanges = 100_000

    /// Where an API server allocates NodePorts that is not told otherwise (`--service-node-port-range`).
    package static let usualNodePorts = 30_000...32_767

    package init(name: ObjectName) { self.name = name }
}

/// The parts of an EndpointSlice that decide where a Service leads.
package struct EndpointSlice: Sendable, Hashable {
    package enum AddressType: String, Sendable, Hashable {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
        case fqdn = "FQDN"
    }

    /// Ports with nil name, nil number or number 0 are dropped when the object is read (spec 5).
    package struct PortSpec: Sendable, Hashable {
        package var name: String
        package var proto: IPProtocol
        package var port: Port

        package init(name: String = "", proto: IPProtocol = .tcp, port: Port) {
            self.name = name
            self.proto = proto
            self.port = port
        }
    }

    package var name: ObjectName
    /// Value of the label `kubernetes.io/service-name`; a slice without it belongs to no Service (spec 4).
    package var serviceName: String
    package var labels: [String: String] = [:]
    package var addressType: AddressType
    package var ports: [PortSpec] = []
    package var endpoints: [Endpoint] = []
    /// Names of endpoints that have one of their own, for DNS; most have none.
    package var hostnames: [IPAddress: String] = [:]
    /// When the pod or Service changed that this version of the slice tells of (spec 48). It comes with an event and is
    /// not kept: the same endpoints at another time are the same state.
    package var lastChangeTrigger: UnixTime?

    package init(name: ObjectName, serviceName: String, addressType: AddressType) {
        self.name = name
        self.serviceName = serviceName
        self.addressType = addressType
    }
}

/// The parts of a Node that decide what is local, which addresses serve NodePorts, and whether load balancers may send
/// it traffic.
package struct Node: Sendable, Hashable {
    package var name: String
    package var labels: [String: String] = [:]
    /// `status.addresses`: those of type InternalIP, then those of type ExternalIP, each in their order (spec 56).
    package var addresses: [IPAddress] = []
    /// The ranges that the addresses of its pods come from.
    package var podCIDRs: [CIDR] = []
    /// Its `metadata.deletionTimestamp` is set (spec 46).
    package var isBeingDeleted = false
    /// It carries the taint `ToBeDeletedByClusterAutoscaler` (spec 46).
    package var isTaintedForDeletion = false

    package init(name: String) { self.name = name }
}

/// A change of one object, as every source of state reports it.
///
/// By reference: lists of 200,000 of them are handed on several times, and a copy of an object counts a dozen references.
package indirect enum ClusterEvent: Sendable, Hashable {
    case service(Service)
    case serviceGone(ObjectName)
    case slice(EndpointSlice)
    case sliceGone(ObjectName)
    case node(Node)
    case nodeGone(String)
}
