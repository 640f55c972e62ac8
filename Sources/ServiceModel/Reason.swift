/// Why a Service, an endpoint or a frontend is not used, or why it is used all the same: a stable word for programs.
///
/// The catalogue of reasons: `explain` takes its words from here, and `swiftlet help reasons` prints it. `services`, `compile`
/// and the status page say what Services and slices tell of a port without backends (`Emptiness`), under the code of
/// its `EmptyReason`.
package enum ReasonCode: String, Sendable, Hashable, CaseIterable, Codable {
    case works
    // The address that was asked for.
    case noSuchService, noSuchName, notAFrontend, podAddress, portNotServed, otherProtocol, nodePortElsewhere,
        addressPending, addressIsName
    case nodePortUnset, addressOfProxy, externalIPsOff, hostOnly, conflict, heldByDevice, noFrontendAddress
    // The Service.
    case headless, externalName, otherProxy, noClusterIP, familyMissing, refusedObject, keptFromBefore
    // Its pods.
    case noPods, labelsDiffer, podsElsewhere, podPending, podOver, podWithoutAddress, podNotReady, podTerminating
    // Its slices.
    case noEndpoints, noSlice, emptySlice, sliceLabelMissing, sliceLabelMisspelt, sliceElsewhere, sliceWithoutPorts,
        staleSlice
    case portNamesDiffer, protocolsDiffer, targetPortName, otherFamily, fqdnSlice, notReady, fallback, nodeNameUnknown
    case notOnThisNode, hints, sourceRange, endpointIsService
    // The client.
    case clientOutsideCgroup, clientLeftOut, socketHooksOff, nothingListens, noRoute, noAnswer, filtered, noClientPort
    // The node.
    case nodeUnknown, noPrograms, notForwarding, deviceDown, deviceWithoutPrograms, mapFull, notProgrammed, mapsDiffer,
        noDaemon
}

/// What a catalogue entry says of a code: which object to look at, what the code means, what to do.
package struct ReasonEntry: Sendable {
    /// The kind of object that is to be changed.
    package var object: String
    package var meaning: String
    package var remedy: String

    fileprivate init(_ object: String, _ meaning: String, _ remedy: String) {
        self.object = object
        self.meaning = meaning
        self.remedy = remedy
    }
}

/// A reason as it applies to one object.
package struct Reason: Sendable, Hashable, CustomStringConvertible {
    package var code: ReasonCode
    /// `Pod default/web-a`; the kind alone where there is no object.
    package var object: String
    /// What is the matter, names and numbers included.
    package var text: String
    /// What to do, with the field to change.
    package var remedy: String

    /// - Parameters:
    ///   - object: nil for the kind that the catalogue names.
    ///   - text: nil for the catalogue's meaning.
    ///   - remedy: nil for the catalogue's.
    package init(_ code: ReasonCode, object: String? = nil, text: String? = nil, remedy: String? = nil) {
        self.code = code
        self.object = object ?? code.entry.object
        self.text = text ?? code.entry.meaning
        self.remedy = remedy ?? code.entry.remedy
    }

    /// One line: what is the matter, and what to do.
    package var description: String {
        if remedy.isEmpty { return text }
        return "\(text)\(text.contains(": ") ? ";" : ":") \(remedy)"
    }
}

extension Reason {
    /// Of a Service that is served as it was: why, as it is shown everywhere.
    package static func kept(_ cause: String) -> String { "kept from before: \(cause)" }

    /// Of a service port that is not in the maps.
    package static func notProgrammed(_ cause: String) -> String { "not programmed: \(cause)" }
}

extension ReasonCode {
    /// Where the documentation has it: the anchor is the code. Nil where nothing is to be explained.
    package var docs: String? { self == .works ? nil : "docs/troubleshoot.md#\(rawValue)" }

    package var entry: ReasonEntry {
        addressEntry ?? serviceEntry ?? podEntry ?? sliceEntry ?? nodeEntry ?? .init("", "it works", "")
    }

    private var addressEntry: ReasonEntry? {
        switch self {
        case .noSuchName:
            .init(
                "Service", "the name server says that there is no such name",
                "correct the name, or see `swiftlet services`")
        case .noSuchService: .init("Service", "there is no Service of that name", "correct the name")
        case .notAFrontend: .init("Service", "no Service has this address", "ask `swiftlet services` for the addresses")
        case .podAddress: .init("Pod", "the address is a pod's own: no Service is asked", "ask the Service's address")
        case .portNotServed:
            .init(
                "Service", "the Service's address is right, and it serves other ports",
                "correct the port, or add it to spec.ports")
        case .otherProtocol:
            .init(
                "Service", "the port is served by another protocol",
                "correct the protocol, or add the port to spec.ports")
        case .nodePortElsewhere:
            .init(
                "Node", "the port is a NodePort, and this address serves none",
                "ask an address that serves NodePorts, or see --nodeport-addresses")
        case .addressPending:
            .init(
                "Service", "status.loadBalancer.ingress is empty: no controller has given an address",
                "install a load balancer controller, or write externalIPs")
        case .addressIsName:
            .init(
                "Service", "status.loadBalancer.ingress has a name and no address: nothing of it is served here",
                "ask that name, which leads to the load balancer")
        case .nodePortUnset:
            .init("Service", "a port has no nodePort, and nothing allocates one here", "write spec.ports[].nodePort")
        case .addressOfProxy:
            .init(
                "Service", "ipMode is Proxy: the load balancer itself must see the traffic",
                "ask the load balancer from outside, or set ipMode: VIP")
        case .externalIPsOff:
            .init("Node", "externalIPs are switched off", "switch on the gate AllowServiceExternalIPs")
        case .hostOnly:
            .init("Service", "a loopback address is served for the node's own processes only", "ask another address")
        case .heldByDevice:
            .init(
                "device", "a device of this node holds the address: what listens there is asked, not the endpoints",
                "look at what listens there; take the address from the device to have the Service answer")
        case .noFrontendAddress:
            .init(
                "Service", "unspecified, broadcast, multicast and link-local addresses lead to no Service",
                "write another address"
            )
        case .conflict:
            .init(
                "Service", "another Service holds this address and port", "give one of the two another address or port")
        default: nil
        }
    }

    private var serviceEntry: ReasonEntry? {
        switch self {
        case .headless:
            .init(
                "Service", "headless: names lead to the pods, and nothing is translated",
                "remove clusterIP: None, or ask the pods by name")
        case .externalName:
            .init("Service", "type ExternalName: it is a name in DNS only", "ask the name that spec.externalName has")
        case .otherProxy:
            .init(
                "Service", "label service.kubernetes.io/service-proxy-name gives it to another proxy",
                "remove the label, or set the proxy's name here")
        case .noClusterIP:
            .init(
                "Service", "not served: spec.clusterIP is empty, and nothing allocates one here", "write spec.clusterIP"
            )
        case .familyMissing:
            .init(
                "Service", "the Service has no ClusterIP of this IP family",
                "write an address of the family in spec.clusterIPs")
        case .refusedObject: .init("manifest", "the object cannot be used as it is written", "correct it")
        case .keptFromBefore:
            .init(
                "manifest", "kept from before: what may define it now cannot be used",
                "`swiftlet status` says what to correct")
        default: nil
        }
    }

    private var podEntry: ReasonEntry? {
        switch self {
        case .noPods:
            .init("Service", "no pod has the labels of the selector", "correct spec.selector, or start the pods")
        case .labelsDiffer:
            .init("Pod", "a pod has all labels of the selector but one", "correct the label, or spec.selector")
        case .podsElsewhere:
            .init(
                "Service", "pods of another namespace have these labels",
                "create the Service in the namespace of the pods")
        case .podPending: .init("Pod", "the pod is Pending", "ask `kubectl describe pod` why it does not start")
        case .podOver: .init("Pod", "the pod has ended", "ask `kubectl logs` why, and start it again")
        case .podWithoutAddress: .init("Pod", "the pod has no address", "look at the CNI's log on its node")
        case .podNotReady: .init("Pod", "the pod is not ready", "look at its readiness probe")
        case .podTerminating: .init("Pod", "the pod terminates", "start another one")
        default: nil
        }
    }

    private var sliceEntry: ReasonEntry? {
        switch self {
        case .noEndpoints:
            .init(
                "EndpointSlice", "no endpoints, and no selector that would find some",
                "write an EndpointSlice, or a selector")
        case .noSlice:
            .init(
                "EndpointSlice", "no EndpointSlice has endpoints of the Service; why, its pods tell",
                "ask `swiftlet explain` about its pods; see that kube-controller-manager runs")
        case .emptySlice:
            .init(
                "EndpointSlice", "the slices hold no endpoint; why, the pods of a selector tell",
                "ask `swiftlet explain` about the pods; without a selector, add endpoints to the slice")
        case .sliceLabelMissing:
            .init(
                "EndpointSlice", "a slice looks like the Service's and lacks the label kubernetes.io/service-name",
                "add the label")
        case .sliceLabelMisspelt:
            .init(
                "EndpointSlice", "a slice names a Service that does not exist",
                "correct the label kubernetes.io/service-name")
        case .sliceElsewhere:
            .init(
                "EndpointSlice", "a slice of this name is in another namespace",
                "create it in the namespace of the Service")
        case .staleSlice:
            .init(
                "EndpointSlice", "a slice names a pod that does not exist, or has another address or port",
                "see that what writes the slice runs (kube-controller-manager)")
        case .sliceWithoutPorts: .init("EndpointSlice", "the slice has no port with a number", "write ports")
        case .portNamesDiffer:
            .init("EndpointSlice", "the names of the Service's and the slice's port differ", "give both the same name")
        case .protocolsDiffer:
            .init(
                "EndpointSlice", "the protocols of the Service's and the slice's port differ", "correct one of the two")
        case .targetPortName:
            .init(
                "Service", "no pod has a container port of the name in targetPort",
                "correct targetPort, or name the container port")
        case .otherFamily:
            .init("EndpointSlice", "the endpoints are of the other IP family", "add a slice of this family")
        case .fqdnSlice: .init("EndpointSlice", "addressType FQDN: names cannot be translated to", "write addresses")
        case .notReady: .init("EndpointSlice", "no endpoint is ready", "see the pods' readiness")
        case .fallback: .init("Pod", "all endpoints terminate; those that serve still are used", "start new pods")
        case .nodeNameUnknown: .init("EndpointSlice", "nodeName is no Node's name", "correct nodeName")
        case .notOnThisNode:
            .init(
                "Service", "the policy is Local, and no usable endpoint is on this node",
                "run a pod here, or set the policy to Cluster")
        case .hints:
            .init(
                "EndpointSlice", "hints lead clients of this zone to other endpoints",
                "none, unless it surprises: see spec.trafficDistribution")
        case .sourceRange: .init("Service", "loadBalancerSourceRanges does not admit the client", "add its range")
        case .endpointIsService:
            .init(
                "EndpointSlice", "the address of an endpoint is a Service's: nothing is translated twice",
                "name the pods, or lead clients to the other Service")
        default: nil
        }
    }

    private var nodeEntry: ReasonEntry? {
        switch self {
        case .clientOutsideCgroup:
            .init(
                "process", "the client is not below the cgroup whose sockets are translated",
                "set --cgroup-root to the root of cgroup2")
        case .clientLeftOut:
            .init(
                "process", "--socket-lb-exclude-cgroups leaves its sockets to packets, which meet no programs",
                "add its device to --pod-interfaces, or change the pattern")
        case .socketHooksOff:
            .init("Node", "sockets are not translated here", "set --socket-lb, or see that packets of pods are")
        case .nothingListens:
            .init(
                "Pod", "the endpoint refuses: nothing listens on the port", "correct targetPort, or start the program")
        case .noRoute:
            .init("Node", "there is no route to the endpoint, or one that closes the way", "look at the CNI's routes")
        case .noClientPort:
            .init(
                "Node", "the client's network namespace has no port left for a connection to the endpoint",
                "end what holds them (`ss -tan`), or widen net.ipv4.ip_local_port_range")
        case .noAnswer:
            .init("Pod", "the endpoint does not answer", "look for a NetworkPolicy, a firewall, or a node that is down")
        case .filtered: .init("Node", "a netfilter rule of this node drops the packets", "change the rule")
        case .nodeUnknown: .init("Node", "no Node has the name of this node", "set --node-name")
        case .noPrograms: .init("Node", "no program is attached", "start `swiftlet run`")
        case .notForwarding:
            .init("Node", "the kernel forwards no packets", "set net.ipv4.ip_forward to 1, or run with --set-sysctls")
        case .deviceDown: .init("device", "a device on the way is down", "set it up")
        case .deviceWithoutPrograms: .init("device", "the device has no programs", "add it to --devices")
        case .mapFull: .init("map", "not programmed: a map is full", "raise --map-memory-limit")
        case .notProgrammed: .init("map", "not in the maps", "look at the daemon's log")
        case .mapsDiffer:
            .init("map", "the maps hold something else", "wait a moment; otherwise look at the daemon's log")
        case .noDaemon: .init("Node", "no daemon runs: changes are not followed", "start `swiftlet run`")
        default: nil
        }
    }
}

extension EmptyReason {
    package var code: ReasonCode {
        switch self {
        case .noEndpoints: .noEndpoints
        case .noSlice: .noSlice
        case .selectorMatchesNothing: .emptySlice
        case .otherFamily: .otherFamily
        case .notReady: .notReady
        case .noMatchingPort: .portNamesDiffer
        case .notOnThisNode: .notOnThisNode
        }
    }
}

extension LeftAlone {
    /// In the words that are shown.
    package var text: String {
        switch self {
        case .headless: "headless"
        case .externalName: "ExternalName"
        case .noClusterIP: "spec.clusterIP is empty, and nothing allocates one here"
        case .otherProxy: "served by another proxy (label service.kubernetes.io/service-proxy-name)"
        }
    }

    package var code: ReasonCode {
        switch self {
        case .headless: .headless
        case .externalName: .externalName
        case .noClusterIP: .noClusterIP
        case .otherProxy: .otherProxy
        }
    }
}
