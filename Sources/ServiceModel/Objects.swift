/// The parts of a Kubernetes Service that decide its translation.
public struct Service: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        case loadBalancer = "LoadBalancer"
        case externalName = "ExternalName"
    }

    public enum TrafficPolicy: String, Sendable, Hashable {
        case cluster = "Cluster"
        case local = "Local"
    }

    public struct PortSpec: Sendable, Hashable {
        /// Empty for the only port of a Service.
        public var name: String
        public var proto: IPProtocol
        public var port: Port
        public var nodePort: Port?

        public init(name: String = "", proto: IPProtocol = .tcp, port: Port, nodePort: Port? = nil) {
            self.name = name
            self.proto = proto
            self.port = port
            self.nodePort = nodePort
        }
    }

    /// An entry of `status.loadBalancer.ingress` that has an address.
    public struct Ingress: Sendable, Hashable {
        public enum Mode: String, Sendable, Hashable {
            case vip = "VIP"
            case proxy = "Proxy"
        }
        public var address: IPAddress
        public var mode: Mode

        public init(address: IPAddress, mode: Mode = .vip) {
            self.address = address
            self.mode = mode
        }
    }

    public var name: ObjectName
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    public var kind: Kind = .clusterIP
    /// `None` was written: a headless Service (spec 1).
    public var isHeadless = false
    /// `clusterIPs`, or `clusterIP` alone where the list is absent; empty when headless.
    public var clusterIPs: [IPAddress] = []
    public var ports: [PortSpec] = []
    public var externalIPs: [IPAddress] = []
    public var ingress: [Ingress] = []
    /// As written, trimmed by the model (spec 24).
    public var loadBalancerSourceRanges: [String] = []
    /// Nil without session affinity, otherwise the ClientIP time-out (spec 34).
    public var affinitySeconds: UInt32?
    public var externalPolicy: TrafficPolicy = .cluster
    public var internalPolicy: TrafficPolicy = .cluster
    public var healthCheckNodePort: Port?
    public var publishNotReadyAddresses = false
    /// Nil when the Service has no selector, and its slices come from somewhere else.
    public var selector: [String: String]?
    public var externalName: String?
    /// When the API server made the object: the older one of two keeps what both claim (spec 25).
    public var created: UnixTime?

    /// A Service that makes more frontends, counted without those of NodePorts, is not served with all of its addresses: the
    /// maps are for all Services.
    public static let mostFrontends = 10_000

    /// Where an API server allocates NodePorts that is not told otherwise (`--service-node-port-range`).
    public static let usualNodePorts = 30_000...32_767

    public init(name: ObjectName) { self.name = name }
}

/// The parts of an EndpointSlice that decide where a Service leads.
public struct EndpointSlice: Sendable, Hashable {
    public enum AddressType: String, Sendable, Hashable {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
        case fqdn = "FQDN"
    }

    /// Ports with nil name, nil number or number 0 are dropped when the object is read (spec 5).
    public struct PortSpec: Sendable, Hashable {
        public var name: String
        public var proto: IPProtocol
        public var port: Port

        public init(name: String = "", proto: IPProtocol = .tcp, port: Port) {
            self.name = name
            self.proto = proto
            self.port = port
        }
    }

    public var name: ObjectName
    /// Value of the label `kubernetes.io/service-name`; a slice without it belongs to nobody (spec 4).
    public var serviceName: String
    public var labels: [String: String] = [:]
    public var addressType: AddressType
    public var ports: [PortSpec] = []
    public var endpoints: [Endpoint] = []
    /// When the pod or Service changed that this version of the slice tells of (spec 48). It comes with an event and is
    /// not kept: the same endpoints at another time are the same state.
    public var lastChangeTrigger: UnixTime?

    public init(name: ObjectName, serviceName: String, addressType: AddressType) {
        self.name = name
        self.serviceName = serviceName
        self.addressType = addressType
    }
}

/// The parts of a Node that decide what is local, which addresses serve NodePorts, and whether load balancers may send
/// it traffic.
public struct Node: Sendable, Hashable {
    public var name: String
    public var labels: [String: String] = [:]
    /// `status.addresses`: those of type InternalIP, then those of type ExternalIP, each in their order (spec 56).
    public var addresses: [IPAddress] = []
    /// The ranges that the addresses of its pods come from.
    public var podCIDRs: [CIDR] = []
    /// Its `metadata.deletionTimestamp` is set (spec 46).
    public var isBeingDeleted = false
    /// It carries the taint `ToBeDeletedByClusterAutoscaler` (spec 46).
    public var isTaintedForDeletion = false

    public init(name: String) { self.name = name }
}

/// A change of one object, as every source of state reports it.
public enum ClusterEvent: Sendable, Hashable {
    case service(Service)
    case serviceGone(ObjectName)
    case slice(EndpointSlice)
    case sliceGone(ObjectName)
    case node(Node)
    case nodeGone(String)
}
