import ServiceModel

extension PodObject {
    /// Reads a Pod; what is wrong is in the field's findings.
    static func read(_ object: Field, intern: Interner) -> PodObject {
        var pod = PodObject()
        let object = object.asElement
        let metadata = object[.metadata]
        pod.labels = intern(metadata?.textMap(.labels) ?? [:])
        pod.isTerminating = metadata?[.deletionTimestamp] != nil
        if let spec = object[.spec] {
            pod.nodeName = intern(spec.text(.nodeName))
            pod.hostname = spec.text(.hostname) ?? ""
            pod.subdomain = intern(spec.text(.subdomain) ?? "")
            pod.ports = namedPorts(spec)
        }
        if let status = object[.status] { pod.readStatus(status) }
        return pod
    }

    private mutating func readStatus(_ status: Field) {
        let phase = status.text(.phase)
        isOver = phase == "Succeeded" || phase == "Failed"
        let several = status.list(.podIPs).compactMap { $0.element { $0[.ip]?.endpointAddress } }
        let single = status[.podIP].flatMap { $0.isBlank ? nil : $0.element(\.endpointAddress) }
        addresses = several.isEmpty ? [single].compactMap { $0 } : several
        isReady = status.list(.conditions).contains { $0.text(.type) == "Ready" && $0.text(.status) == "True" }
    }

    /// Ports with a name.
    private static func namedPorts(_ spec: Field) -> [NamedPort] {
        var ports: [NamedPort] = []
        for field in spec.lastingContainers.flatMap({ $0.list(.ports) }) {
            let named = field.element { field in
                let (proto, port) = (field.proto, field.requiredPort(.containerPort))
                return field.text(.name).flatMap { name in port.map { NamedPort(name: name, proto: proto, port: $0) } }
            }
            if let named { ports.append(named) }
        }
        return ports
    }
}

extension Field {
    /// Of a pod's spec: the containers that run as long as the pod. Sidecars are init containers that are always restarted.
    var lastingContainers: [Field] {
        list(.containers) + list(.initContainers).filter { $0.text(.restartPolicy) == "Always" }
    }
}

extension Node {
    /// The autoscaler sets it before it takes a node away (spec 46).
    static let deletionTaint = "ToBeDeletedByClusterAutoscaler"

    /// Reads a Node; what is wrong is in the field's findings.
    static func read(_ object: Field, name: String, intern: Interner) -> Node {
        var node = Node(name: name)
        // A Node without some of its parts is better than none: without it, its NodePorts would be everywhere.
        let object = object.asElement
        let metadata = object[.metadata]
        node.labels = intern(metadata?.textMap(.labels) ?? [:])
        node.isBeingDeleted = metadata?[.deletionTimestamp] != nil
        if let spec = object[.spec] {
            node.podCIDRs = spec.podCIDRs
            node.isTaintedForDeletion = spec.list(.taints).contains { $0.text(.key) == Self.deletionTaint }
        }
        node.addresses = object[.status]?.nodeAddresses ?? []
        return node
    }
}

extension Field {
    /// Internal addresses before external ones, each in their order; an entry that is none is left out (spec 56).
    fileprivate var nodeAddresses: [IPAddress] {
        let written = list(.addresses)
        return ["InternalIP", "ExternalIP"].flatMap { type in
            written.filter { $0.text(.type) == type }.compactMap { entry in
                entry.element { entry in
                    if entry[.address] == nil { entry.reportMissing(.address, "write the node's address") }
                    return entry.address(.address)
                }
            }
        }
    }

    /// `podCIDRs`, or `podCIDR` alone.
    fileprivate var podCIDRs: [CIDR] {
        let several = list(.podCIDRs).compactMap { $0.element(\.range) }
        let single = self[.podCIDR].flatMap { $0.isBlank ? nil : $0.element(\.range) }
        return several.isEmpty ? [single].compactMap { $0 } : several
    }

    private var range: CIDR? {
        guard let text else { return nil }
        if let range = CIDR.lenient(text) { return range }
        report("is \(shown), which is no range of addresses", "write a range like 10.244.0.0/24")
        return nil
    }
}
