package import ServiceModel

/// A close look at the objects round a Service, for explanations: with what a translation does not need, such as the names
/// of pods and the labels of slices that belong to nothing. It is taken when it is asked for and is never kept.
package struct ClusterView: Sendable {
    package var services: [ObjectName: ServiceView] = [:]
    /// Sorted by name.
    package var slices: [SliceView] = []
    /// Sorted by name.
    package var pods: [PodView] = []
    /// All pods that may matter were listed: one that is not among them does not exist.
    package var hasAllPods = false
    package var nodes: [String: Node] = [:]
    /// What the objects come to, slices made from pods and Endpoints included.
    package var events: [ClusterEvent] = []
    package var problems: [StateProblem] = []
    /// What of the objects is not used as it is written.
    package var flaws: [Flaw] = []
    /// What is used as it is written, and was probably not meant so.
    package var doubts: [Flaw] = []
    /// Services that another manifest, or an earlier document, defines already.
    package var shadowed: [ServiceView] = []
    /// Services that are served as they were, since what may define them now cannot be used, and what that is.
    package var kept: [ObjectName: String] = [:]
    /// What could not be looked at, and why.
    package var unseen: [String] = []

    package init() {}

    package mutating func add(_ object: CloseObject) {
        switch object {
        case .service(let view):
            if services[view.service.name] == nil { services[view.service.name] = view } else { shadowed.append(view) }
        case .slice(let view): slices.append(view)
        case .pod(let view): pods.append(view)
        case .node(let node): nodes[node.name] = nodes[node.name] ?? node
        }
    }

    /// Puts what is served in the place of what the objects come to.
    ///
    /// - Parameters:
    ///   - served: all Services and Nodes, and the slices of some Services.
    ///   - subjects: those Services.
    package mutating func take(served: [ClusterEvent], withSlicesOf subjects: Set<ObjectName>) {
        events.removeAll { event in
            guard case .slice(let slice) = event else { return true }
            return subjects.contains(slice.service)
        }
        events += served
    }

    /// Puts how a Service is served in the place of what the objects come to.
    package mutating func take(_ served: [ClusterEvent], of name: ObjectName) {
        events.removeAll { event in
            switch event {
            case .service(let service): service.name == name
            case .slice(let slice): slice.service == name
            default: false
            }
        }
        events += served
    }

    /// Sorts, and leaves one of what came by several lists: by namespace, and by a selector.
    package mutating func sort() {
        slices = Self.unique(slices, by: \.slice.name)
        pods = Self.unique(pods, by: \.name)
    }

    private static func unique<View>(_ views: [View], by name: (View) -> ObjectName) -> [View] {
        Dictionary(views.map { (name($0), $0) }, uniquingKeysWith: { first, _ in first })
            .sorted { $0.key < $1.key }.map(\.value)
    }

    /// The pod that has an address: the one that the slice names, or else one that the slice's Service selects. Pods with
    /// hostNetwork share their node's address, so that any other comes last.
    package func podName(of address: IPAddress, in slice: ObjectName, selector: [String: String]?) -> String? {
        if let named = targetPod(of: address, in: slice) { return named }
        let there = pods.filter {
            $0.name.namespace == slice.namespace && !$0.isOver && $0.addresses.contains(address)
        }
        return (there.first { selector.map($0.matches) ?? false } ?? there.first)?.name.name
    }

    /// The pod that a slice names in `targetRef`.
    package func targetPod(of address: IPAddress, in slice: ObjectName) -> String? {
        slices.first { $0.slice.name == slice }?.pods[address]
    }
}

/// What is not used as it is written, and the object that it stands in as far as that can be read.
package struct Flaw {
    package var key: ObjectKey
    package var object: KubernetesObject
    package var problem: StateProblem

    package init(_ key: ObjectKey, _ object: KubernetesObject, _ problem: StateProblem) {
        self.key = key
        self.object = object
        self.problem = problem
    }

    /// Whether it is of a Service itself, its endpoints, or a pod of its selector.
    package func concerns(_ service: Service) -> Bool {
        guard key.name.namespace == service.name.namespace else { return false }
        return switch object {
        case .service, .endpoints: key.name == service.name
        case .slice(let slice): slice.serviceName == service.name.name
        case .pod(let pod): service.selector.map { $0.allSatisfy { pod.labels[$0.key] == $0.value } } ?? false
        case .node: false
        }
    }
}

/// One object of a `ClusterView`.
package enum CloseObject: Sendable, Hashable {
    case service(ServiceView)
    case slice(SliceView)
    case pod(PodView)
    case node(Node)
}

/// A Service with what its ports lead to.
package struct ServiceView: Sendable, Hashable {
    package var service: Service
    /// An address that the object names, wherever it counts or not.
    package struct NamedAddress: Sendable, Hashable {
        /// The way to it: `spec.externalIPs[0]`.
        package var field: String
        package var text: String

        /// Whether it is meant, perhaps written with a port or as a range.
        package func names(_ address: IPAddress) -> Bool {
            let bare = text.filter { !$0.isWhitespace && $0 != "[" && $0 != "]" }
            let host = bare.prefix { $0 != "/" }
            if let read = IPAddress.lenient("\(host)") { return read == address }
            guard let colon = host.lastIndex(of: ":") else { return false }
            return IPAddress.lenient("\(host[..<colon])") == address
        }
    }

    /// As written for each of its ports: `8080`, `http`; empty where nothing is.
    package var targets: [String]
    package var addresses: [NamedAddress] = []
    /// Names in place of addresses in `status.loadBalancer.ingress`.
    package var balancerNames: [String] = []
}

/// A slice with what tells whose it might be.
package struct SliceView: Sendable, Hashable {
    package var slice: EndpointSlice
    package var labels: [String: String]
    /// The Service in `metadata.ownerReferences`.
    package var owner: String?
    /// Names from `targetRef`.
    package var pods: [IPAddress: String]
}

/// A pod as an explanation needs it.
package struct PodView: Sendable, Hashable {
    package struct Port: Sendable, Hashable {
        /// Empty where it has none.
        package var name: String
        package var proto: IPProtocol
        package var number: ServiceModel.Port
        /// Where its node serves it, too.
        package var hostPort: ServiceModel.Port?
    }

    package var name: ObjectName
    package var labels: [String: String] = [:]
    /// `Running`; empty where the status says none.
    package var phase = ""
    package var addresses: [IPAddress] = []
    package var nodeName: String?
    package var ports: [Port] = []
    package var isReady = false
    package var isTerminating = false
    /// `CrashLoopBackOff`, `ImagePullBackOff`: why a container does not run.
    package var waitingReason: String?
    /// A condition of `readinessGates` that is not True.
    package var openGate: String?

    package var isOver: Bool { phase == "Succeeded" || phase == "Failed" }

    package func matches(_ selector: [String: String]) -> Bool {
        selector.allSatisfy { labels[$0.key] == $0.value }
    }
}

extension CloseObject {
    /// Reads what `ObjectReader` leaves out; what is wrong in it is no matter here.
    package init?(_ field: Field, key: ObjectKey, content: KubernetesObject) {
        switch content {
        case .service(let object):
            let targets = object.targets.map { target in
                switch target {
                case .samePort, .unusable: ""
                case .number(let number): "\(number)"
                case .named(let name): name
                }
            }
            var view = ServiceView(service: object.service, targets: targets)
            view.readAddresses(field)
            self = .service(view)
        case .slice(let slice): self = .slice(SliceView(slice, field))
        case .pod(let pod): self = .pod(PodView(pod, key.name, field))
        case .node(let node): self = .node(node)
        case .endpoints: return nil
        }
    }
}

extension ServiceView {
    fileprivate mutating func readAddresses(_ field: Field) {
        for (index, entry) in (field[.spec]?.list(.externalIPs) ?? []).enumerated() {
            note(entry, "spec.externalIPs[\(index)]")
        }
        note(field[.spec]?[Self.loadBalancerIP], "spec.\(Self.loadBalancerIP)")
        for (index, entry) in (field[.status]?[.loadBalancer]?.list(.ingress) ?? []).enumerated() {
            note(entry[.ip], "status.loadBalancer.ingress[\(index)]")
            if let name = entry.text(.hostname), !name.isEmpty { balancerNames.append(name) }
        }
    }

    private mutating func note(_ field: Field?, _ path: String) {
        if let text = field?.text, !text.isEmpty { addresses.append(NamedAddress(field: path, text: text)) }
    }

    /// What a load balancer's controller was asked for, once; it is no address that is served.
    package static let loadBalancerIP = "loadBalancerIP"
}

extension SliceView {
    fileprivate init(_ slice: EndpointSlice, _ field: Field) {
        self.init(slice: slice, labels: field[.metadata]?.textMap(.labels) ?? [:], owner: nil, pods: [:])
        let owners = field[.metadata]?.list(.ownerReferences) ?? []
        owner = owners.first { $0.text(.kind) == "Service" }?.text(.name)
        for endpoint in field.list(.endpoints) {
            guard let address = endpoint.list(.addresses).first?.address, let pod = endpoint.podName else { continue }
            pods[address] = pod
        }
    }
}

extension PodView {
    fileprivate init(_ pod: PodObject, _ name: ObjectName, _ field: Field) {
        self.init(name: name)
        labels = pod.labels
        phase = field[.status]?.text(.phase) ?? ""
        addresses = pod.addresses
        nodeName = pod.nodeName
        isReady = pod.isReady
        isTerminating = pod.isTerminating
        let statuses =
            (field[.status]?.list(.initContainerStatuses) ?? []) + (field[.status]?.list(.containerStatuses) ?? [])
        waitingReason = statuses.lazy.compactMap { $0[.state]?[.waiting]?.text(.reason) }.first {
            !["ContainerCreating", "PodInitializing"].contains($0)
        }
        let conditions = field[.status]?.list(.conditions) ?? []
        let set = conditions.filter { $0.text(.status) == "True" }.compactMap { $0.text(.type) }
        openGate = field[.spec]?.list(.readinessGates).compactMap { $0.text(.conditionType) }.first {
            !set.contains($0)
        }
        for port in (field[.spec]?.lastingContainers ?? []).flatMap({ $0.list(.ports) }) {
            guard let number = port.port(.containerPort) else { continue }
            ports.append(
                Port(
                    name: port.text(.name) ?? "", proto: port.proto, number: number, hostPort: port.port(.hostPort)))
        }
    }
}
