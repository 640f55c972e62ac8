/// The labels that decide something.
enum Label {
    /// Present: another proxy serves this Service, unless the value is our own name (spec 2).
    static let proxyName = "service.kubernetes.io/service-proxy-name"
    /// Present: neither Service nor slice is for a proxy (spec 3).
    static let headless = "service.kubernetes.io/headless"
    /// Of a Node (spec 15).
    static let zone = "topology.kubernetes.io/zone"
}

extension [String: String] {
    fileprivate func only(_ labels: String...) -> Self {
        if isEmpty { return self }
        return labels.reduce(into: [:]) { $0[$1] = self[$1] }
    }
}

extension Service {
    /// Without the labels and annotations that decide nothing: they may be large and change for no reason of ours.
    var onlyDecisive: Service {
        var service = self
        service.labels = labels.only(Label.proxyName, Label.headless)
        service.annotations = service.annotations.only(Self.destroyTCPAnnotation, Self.socketsAnnotation)
        return service
    }
}

extension EndpointSlice {
    /// The slice without labels that decide nothing, and without the time of its change.
    package var onlyDecisive: EndpointSlice {
        var slice = self
        slice.lastChangeTrigger = nil
        slice.labels = labels.only(Label.headless)
        return slice
    }

    /// Belongs to a Service and has addresses (spec 3, 4).
    var isTranslatable: Bool { hasAddressesOfService && labels[Label.headless] == nil }

    /// As that, and perhaps to a headless Service, whose endpoints have names (spec 4).
    var hasAddressesOfService: Bool { !serviceName.isEmpty && addressType != .fqdn }

    /// The Service that the slice belongs to.
    package var service: ObjectName { ObjectName(namespace: name.namespace, name: serviceName) }

    /// Nil for names, which are no addresses.
    package var family: IPFamily? {
        switch addressType {
        case .ipv4: .v4
        case .ipv6: .v6
        case .fqdn: nil
        }
    }
}

extension Node {
    /// What is kept of a Node: what decides translations, and what others ask the state for.
    var onlyNeeded: Node {
        var node = self
        node.labels = labels.only(Label.zone)
        return node
    }

    /// The Node without what concerns no Service's translation.
    var onlyDecisive: Node {
        var node = onlyNeeded
        node.podCIDRs = []
        node.isBeingDeleted = false
        node.isTaintedForDeletion = false
        return node
    }
}

extension Service {
    /// On a Service: connections of TCP to a backend that goes away are destroyed too. Without it they are left to end by
    /// themselves, as with kube-proxy (spec 33).
    package static let destroyTCPAnnotation = "swiftlet.io/destroy-tcp-on-backend-removal"

    /// On a Service: with `off` sockets are not translated, so that what looks into sockets or packets of a pod, such as a
    /// mesh, sees the Service's address.
    package static let socketsAnnotation = "swiftlet.io/socket-lb"

    /// Whether its sockets are left to the packets.
    package var leavesSockets: Bool { annotations[Self.socketsAnnotation] == "off" }

    /// Whether it has the annotation.
    package var destroysTCP: Bool { annotations[Self.destroyTCPAnnotation] == "true" }
}
