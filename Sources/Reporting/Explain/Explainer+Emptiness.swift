import KubernetesObjects
import ServiceModel

/// Why a frontend has no endpoint: the nearest miss.
extension Explainer {
    /// Nil where there is a used endpoint.
    func emptiness(_ route: Route) -> Reason? {
        if !route.used.isEmpty { return nil }
        let service = route.service
        // What hangs on no Service explains an empty one better than the emptiness does.
        if route.port.endpoints.isEmpty, let stray = straySlice(service) { return stray }
        switch route.port.emptyReason {
        case .notOnThisNode, nil: return notHere(route)
        case .notReady: return notReady(route)
        case .noMatchingPort: return portNames(route)
        case .otherFamily: return otherFamily(route)
        case .noSlice, .selectorMatchesNothing: return pods(route)
        case .noEndpoints: return withoutSelector(route)
        }
    }

    // MARK: Slices

    private func straySlice(_ service: Service) -> Reason? {
        let name = service.name
        for view in view.slices where view.slice.name.namespace == name.namespace {
            let slice = "EndpointSlice \(view.slice.name)"
            let label = view.slice.serviceName
            let looksLikeIt =
                view.owner == name.name || view.slice.name.name == name.name
                || view.slice.name.name.hasPrefix(name.name + "-")
            if label.isEmpty && looksLikeIt {
                return Reason(
                    .sliceLabelMissing, object: slice, text: "\(slice) lacks the label kubernetes.io/service-name",
                    remedy: "add kubernetes.io/service-name: \(name.name)")
            }
            let owner = ObjectName(namespace: name.namespace, name: label)
            guard !label.isEmpty, label != name.name, state.service(named: owner) == nil else { continue }
            if looksLikeIt || [name.name].nearest(to: label) != nil {
                return Reason(
                    .sliceLabelMisspelt, object: slice,
                    text: "\(slice) has the label kubernetes.io/service-name: \(label), and no such Service exists",
                    remedy: "write \(name.name)")
            }
        }
        guard service.selector == nil else { return nil }
        let elsewhere = view.slices.first { view in
            let owner = ObjectName(namespace: view.slice.name.namespace, name: view.slice.serviceName)
            return owner.name == name.name && owner != name && state.service(named: owner) == nil
        }
        return elsewhere.map { view in
            Reason(
                .sliceElsewhere, object: "EndpointSlice \(view.slice.name)",
                text: "EndpointSlice \(view.slice.name) is in namespace \(view.slice.name.namespace), the Service in "
                    + name.namespace,
                remedy: "create it in namespace \(name.namespace)")
        }
    }

    private func withoutSelector(_ route: Route) -> Reason {
        let own = view.slices.filter { $0.slice.isOf(route.service.name) }
        if let names = own.first(where: { $0.slice.addressType == .fqdn }) {
            return Reason(
                .fqdnSlice, object: "EndpointSlice \(names.slice.name)",
                text: "EndpointSlice \(names.slice.name) has addressType FQDN: names cannot be translated to")
        }
        guard let slice = own.first?.slice else {
            return Reason(
                .noEndpoints, object: "Service \(route.service.name)",
                text: "\(route.service.name) has neither spec.selector nor an EndpointSlice",
                remedy: "write one of the two")
        }
        return Reason(
            .emptySlice, object: "EndpointSlice \(slice.name)", text: "EndpointSlice \(slice.name) has no endpoints",
            remedy: "add the addresses to endpoints")
    }

    private func portNames(_ route: Route) -> Reason {
        let spec = route.port.spec
        let wanted = "\(spec.name)/\(spec.proto)"
        let slice = route.port.endpoints.first { $0.cluster == .otherPort }?.slice
        let offered = route.port.offered
        // A slice that was made of pods: its port is missing because none of them declares the name.
        if let slice, slice.name.contains("@"), offered.isEmpty { return targetPort(route) }
        let place = slice.map { "EndpointSlice \($0)" } ?? "slices"
        if offered.isEmpty {
            return Reason(
                .sliceWithoutPorts, object: place, text: "\(place) has no ports",
                remedy: "write ports with \(shown(wanted))")
        }
        let list = offered.map(shown).joined(separator: ", ")
        let text = "\(place) offers \(list), the Service wants \(shown(wanted))"
        if offered.contains(where: { $0.hasPrefix(spec.name + "/") }) {
            return Reason(
                .protocolsDiffer, object: place, text: text, remedy: "correct protocol in ports or in \(route.field)")
        }
        if route.service.selector != nil, !target(route).isEmpty, Port(Int(target(route)) ?? 0) == nil {
            return targetPort(route)
        }
        return Reason(
            .portNamesDiffer, object: place, text: text, remedy: "correct \(route.field).name or the slice's port")
    }

    private func shown(_ port: String) -> String { port.hasPrefix("/") ? "(unnamed)\(port)" : port }

    private func target(_ route: Route) -> String {
        guard let view = view.services[route.service.name],
            let index = route.service.ports.firstIndex(of: route.port.spec), view.targets.indices.contains(index)
        else { return "" }
        return view.targets[index]
    }

    private func targetPort(_ route: Route) -> Reason {
        let pods = matching(route.service.selector ?? [:], in: route.service.name.namespace)
        let names = Set(pods.flatMap(\.ports).map(\.name).filter { !$0.isEmpty }).sorted()
        let pod = pods.first?.name.name ?? "no pod"
        let named = names.isEmpty ? "no port by name" : names.joined(separator: ", ")
        return Reason(
            .targetPortName, object: "Service \(route.service.name)",
            text: "\(route.field).targetPort is \(target(route)), and \(pod) names \(named)",
            remedy: "correct targetPort or the name in containers[].ports")
    }

    private func otherFamily(_ route: Route) -> Reason {
        let wanted = route.port.name.family == .v4 ? "IPv4" : "IPv6"
        let other = route.port.name.family == .v4 ? "IPv6" : "IPv4"
        let own = view.slices.first { $0.slice.isOf(route.service.name) && $0.slice.addressType.rawValue == other }
        let place = own.map { "EndpointSlice \($0.slice.name)" } ?? "the Service's slices"
        return Reason(
            .otherFamily, object: place,
            text: "\(route.service.name) has an \(wanted) address, \(place) \(other) endpoints only",
            remedy: "add a slice with addressType \(wanted), or give the Service an \(other) address")
    }

    // MARK: Readiness and places

    private func notReady(_ route: Route) -> Reason {
        let texts = route.port.endpoints.map { "\(name(of: $0)) (\(outcomeWord(route.fate($0), $0, route)))" }
        let count = texts.count
        let list = texts.prefix(4).joined(separator: ", ") + (count > 4 ? ", …" : "")
        let ended = route.port.endpoints.allSatisfy { route.fate($0) == .ended }
        let text = "\(count) \(count == 1 ? "endpoint" : "endpoints"), none ready: \(list)"
        return ended
            ? Reason(.podTerminating, object: "Service \(route.service.name)", text: text, remedy: "start new pods")
            : Reason(
                .notReady, object: "Service \(route.service.name)", text: text,
                remedy: route.service.selector == nil
                    ? "correct conditions.ready in the slice" : "look at the pods' readiness probes")
    }

    private func notHere(_ route: Route) -> Reason {
        let all = route.port.endpoints.filter { route.fate($0) == .elsewhere }
        if let unknown = unknownNode() { return unknown }
        for endpoint in all {
            guard let nodeName = endpoint.endpoint.nodeName, !view.nodes.isEmpty, view.nodes[nodeName] == nil else {
                continue
            }
            let meant = Array(view.nodes.keys).sorted().nearest(to: nodeName)
            return Reason(
                .nodeNameUnknown, object: "EndpointSlice \(endpoint.slice)",
                text: "EndpointSlice \(endpoint.slice): nodeName \(nodeName) is no Node's name",
                remedy: meant.map { "write \($0)" }
                    ?? "write one of \(view.nodes.keys.sorted().joined(separator: ", "))")
        }
        let isInside = route.frontend?.kind == .clusterIP
        let field = isInside ? "internalTrafficPolicy" : "externalTrafficPolicy"
        let who = isInside ? "clients on this node are refused" : "clients outside are dropped"
        return Reason(
            .notOnThisNode, object: "Service \(route.service.name)",
            text: "0 of \(all.count) endpoints on \(node.name), \(field) Local: \(who)",
            remedy: "run a pod on \(node.name), or set spec.\(field): Cluster")
    }

    /// Nodes are known, and none of them is this one.
    func unknownNode() -> Reason? {
        guard !view.nodes.isEmpty, view.nodes[node.name] == nil else { return nil }
        let names = view.nodes.keys.sorted()
        return Reason(
            .nodeUnknown, object: "Node \(node.name)",
            text: "no Node is named \(node.name); there are: \(names.joined(separator: ", "))",
            remedy: "set --node-name" + (names.count == 1 ? " \(names[0])" : ""))
    }
}

extension EndpointSlice {
    func isOf(_ service: ObjectName) -> Bool { name.namespace == service.namespace && serviceName == service.name }
}
