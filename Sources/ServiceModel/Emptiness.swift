/// Why a service port has no backend, in the words of the catalogue, with the slices and the endpoints that are in the way:
/// as far as Services and slices tell.
package struct Emptiness {
    package var service: Service
    package var port: ServiceTrace.Port
    /// The Service's, of whatever address type.
    package var slices: [EndpointSlice]
    /// The name of this node.
    package var node: String
    /// What a person calls an endpoint, and what keeps it from being used.
    package var naming: (ServiceTrace.Endpoint) -> (name: String, state: String)

    package init(
        service: Service, port: ServiceTrace.Port, slices: [EndpointSlice], node: String,
        naming: @escaping (ServiceTrace.Endpoint) -> (name: String, state: String) = Emptiness.usualNaming
    ) {
        self.service = service
        self.port = port
        self.slices = slices
        self.node = node
        self.naming = naming
    }

    /// A pod's name where its slice tells it, or the address.
    package static func usualNaming(_ endpoint: ServiceTrace.Endpoint) -> (name: String, state: String) {
        (endpoint.endpoint.pod ?? endpoint.socketText, endpoint.endpoint.terminating ? "terminating" : "readiness")
    }

    /// Nil where there is a backend.
    package var reason: Reason? {
        switch port.emptyReason {
        case nil: nil
        case .notOnThisNode: notHere(isInside: true)
        case .notReady: notReady
        case .noMatchingPort: portNames
        case .otherFamily: otherFamily
        case .noEndpoints: withoutSelector
        case .noSlice:
            Reason(
                .noSlice, object: "Service \(service.name)",
                text: "no EndpointSlice has endpoints of \(service.name); \(podAdvice)", remedy: "")
        case .selectorMatchesNothing:
            Reason(
                .emptySlice, object: "EndpointSlice \(slices.first?.name ?? service.name)",
                text: "\(sliceText) is empty; \(podAdvice)", remedy: "")
        }
    }

    /// What to know of a port that has backends: not all of its clients get one, or they are its last.
    package var remark: Reason? {
        guard port.emptyReason == nil else { return nil }
        if port.frontends.contains(where: { $0.action == .drop }) { return notHere(isInside: false) }
        let last = port.endpoints.filter { $0.cluster == .fallback || $0.local == .fallback }
        if last.isEmpty { return nil }
        return Reason(
            .fallback, object: "Service \(service.name)",
            text: "terminating, serving (fallback): \(shortened(last.map { naming($0).name }))")
    }

    package var notReady: Reason {
        let found = port.endpoints.filter { [.notReady, .ended].contains(fate($0)) }
        let list = shortened(found.map { "\(naming($0).name) (\(naming($0).state))" })
        let text = "\(found.count) \(found.count == 1 ? "endpoint" : "endpoints"), none ready: \(list)"
        let object = "Service \(service.name)"
        if let (counted, other) = contradiction {
            return Reason(
                .notReady, object: "EndpointSlice \(counted.slice)",
                text: "\(text); \(naming(counted).name) is listed twice, and is ready in EndpointSlice \(other.slice) "
                    + "and not in \(counted.slice), whose name comes first and counts",
                remedy: "take it out of one of the two slices")
        }
        if found.allSatisfy({ fate($0) == .ended }) {
            return Reason(.podTerminating, object: object, text: text, remedy: "start new pods")
        }
        if service.publishNotReadyAddresses, let slice = found.first?.slice {
            return Reason(
                .notReady, object: "EndpointSlice \(slice)", text: text,
                remedy: "write conditions.ready: true in EndpointSlice \(slice), as publishNotReadyAddresses asks of "
                    + "its writer")
        }
        return Reason(
            .notReady, object: object, text: text,
            remedy: service.selector == nil
                ? "correct conditions.ready in the slice" : "look at the pods' readiness probes")
    }

    /// An endpoint that is not ready in the slice that counts, and ready in another one.
    package var contradiction: (counted: ServiceTrace.Endpoint, other: ServiceTrace.Endpoint)? {
        for other in port.endpoints where other.cluster == .repeated && other.endpoint.ready {
            if let counted = port.counted(inPlaceOf: other), !counted.endpoint.ready { return (counted, other) }
        }
        return nil
    }

    package var portNames: Reason {
        let wanted = shown("\(port.spec.name)/\(port.spec.proto)")
        let slice = port.endpoints.first { $0.cluster == .otherPort }?.slice
        let place = slice.map { "EndpointSlice \($0)" } ?? "slices"
        if port.offered.isEmpty {
            return Reason(
                .sliceWithoutPorts, object: place, text: "\(place) has no port with a number",
                remedy: "write ports with \(wanted) and its number")
        }
        let list = port.offered.map(shown).joined(separator: ", ")
        let text = "\(place) offers \(list), the Service wants \(wanted)"
        let field = service.field(of: port.spec)
        if port.offered.contains(where: { $0.hasPrefix(port.spec.name + "/") }) {
            return Reason(
                .protocolsDiffer, object: place, text: text, remedy: "correct protocol in ports or in \(field)")
        }
        return Reason(
            .portNamesDiffer, object: place, text: text, remedy: "correct \(field).name or the slice's port")
    }

    package var otherFamily: Reason {
        let (wanted, other) = port.name.family == .v4 ? ("IPv4", "IPv6") : ("IPv6", "IPv4")
        let own = slices.first { $0.addressType.rawValue == other }
        let place = own.map { "EndpointSlice \($0.name)" } ?? "the Service's slices"
        return Reason(
            .otherFamily, object: place,
            text: "\(service.name) has an \(wanted) address, \(place) \(other) endpoints only",
            remedy: "add a slice with addressType \(wanted), or give the Service an \(other) address")
    }

    package var withoutSelector: Reason {
        if let names = slices.first(where: { $0.addressType == .fqdn }) {
            return Reason(
                .fqdnSlice, object: "EndpointSlice \(names.name)",
                text: "EndpointSlice \(names.name) has addressType FQDN: names cannot be translated to")
        }
        guard let slice = slices.first else {
            return Reason(
                .noEndpoints, object: "Service \(service.name)",
                text: "\(service.name) has neither spec.selector nor an EndpointSlice", remedy: "write one of the two")
        }
        return Reason(
            .emptySlice, object: "EndpointSlice \(slice.name)", text: "EndpointSlice \(slice.name) has no endpoints",
            remedy: "add the addresses to endpoints")
    }

    /// - Parameters:
    ///   - isInside: whether it is about the ClusterIP, or about addresses for clients outside.
    ///   - isClientOutside: whether it is a client outside that asks the ClusterIP.
    package func notHere(isInside: Bool, isClientOutside: Bool = false) -> Reason {
        let elsewhere = port.endpoints.filter { $0.local == .elsewhere }
        let count = elsewhere.count
        let field = isInside ? "internalTrafficPolicy" : "externalTrafficPolicy"
        let who = isInside && !isClientOutside ? "clients on this node are refused" : "clients outside are dropped"
        return Reason(
            .notOnThisNode, object: "Service \(service.name)",
            text: "0 of \(count) endpoints on \(node), \(field) Local: \(who)",
            remedy: elsewhere.allSatisfy { $0.endpoint.nodeName == nil }
                ? "write nodeName in the slice's endpoints, which says where they are, or set spec.\(field): Cluster"
                : "run a pod on \(node), or set spec.\(field): Cluster")
    }

    /// In the set that frontends take; of both the one that holds for the node's own clients.
    private func fate(_ endpoint: ServiceTrace.Endpoint) -> EndpointFate {
        endpoint.cluster == .unasked ? endpoint.local : endpoint.cluster
    }

    /// Pods are not known here, and what is the matter with them is not guessed.
    private var podAdvice: String { "`swiftlet explain \(service.name)` looks at its pods" }

    private var sliceText: String {
        slices.count == 1 ? "EndpointSlice \(slices[0].name)" : "each of \(slices.count) EndpointSlices"
    }

    private func shown(_ port: String) -> String { port.hasPrefix("/") ? "(unnamed)\(port)" : port }

    private func shortened(_ words: [String]) -> String {
        words.prefix(4).joined(separator: ", ") + (words.count > 4 ? ", …" : "")
    }
}

extension ServiceTrace.Endpoint {
    /// `10.244.0.11:8080`, or the address alone where its slice offers no such port.
    package var socketText: String {
        port.map { FrontendKey.socket(endpoint.address, $0) } ?? "\(endpoint.address)"
    }
}

extension Service {
    /// `spec.ports[http]`, or `spec.ports[0]` of one without a name.
    package func field(of port: PortSpec) -> String {
        port.name.isEmpty ? "spec.ports[\(ports.firstIndex(of: port) ?? 0)]" : "spec.ports[\(port.name)]"
    }
}

extension FrontendKey {
    /// `10.244.0.11:8080`, an IPv6 address in brackets.
    package static func socket(_ address: IPAddress, _ port: Port) -> String {
        address.family == .v6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
