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
        case .noMatchingPort: return portNames(route)
        case .noSlice, .selectorMatchesNothing: return names(route) ?? pods(route)
        case .notReady: return stale(route) ?? lagging(route) ?? unready(route)
        case .otherFamily, .noEndpoints: return told(route).reason
        }
    }

    /// What Services and slices tell, with the pods' names and states.
    private func told(_ route: Route) -> Emptiness {
        let slices = view.slices.map(\.slice).filter { $0.isOf(route.service.name) }
        return Emptiness(service: route.service, port: route.port, slices: slices, node: node.name) { endpoint in
            (name(of: endpoint, route), outcomeWord(route.fate(endpoint), endpoint, route))
        }
    }

    /// There is a slice, of a type that is of no use.
    private func names(_ route: Route) -> Reason? {
        let reason = told(route).withoutSelector
        return reason.code == .fqdnSlice ? reason : nil
    }

    /// Endpoints that are not ready, with what to do about the first of them whose pod says why.
    private func unready(_ route: Route) -> Reason? {
        var reason = told(route).reason
        let remedy = route.port.endpoints.lazy.compactMap { pod(of: $0, route)?.remedy }.first
        if let remedy, reason?.code == .notReady { reason?.remedy = remedy }
        return reason
    }

    // MARK: Slices

    /// A slice names a pod that is gone, or an address that the pod had: of an endpoint that is used or, where none is, would be
    /// if it were ready. Only the slices of a selector are judged, whose pods are looked at, and only by pods that were seen.
    func stale(_ route: Route) -> Reason? {
        let seesAll = view.unseen.isEmpty && !view.problems.contains { $0.hides == .anything }
        guard route.service.selector?.isEmpty == false, seesAll else { return nil }
        let namespace = route.service.name.namespace
        let pods = view.pods.filter { $0.name.namespace == namespace }
        if pods.isEmpty && !view.hasAllPods { return nil }
        let judged = route.used.isEmpty ? route.port.endpoints.filter { route.fate($0) == .notReady } : route.used
        for endpoint in judged {
            let address = endpoint.endpoint.address
            guard let name = view.targetPod(of: address, in: endpoint.slice) else { continue }
            let pod = pods.first { $0.name.name == name }
            let own = pod?.addresses.filter { $0.family == address.family } ?? []
            if let pod, !pod.isOver, own.isEmpty || own.contains(address) { continue }
            let slice = "EndpointSlice \(endpoint.slice)"
            let truth =
                pod.flatMap { $0.isOver ? "has ended (\($0.phase))" : nil }
                ?? own.first.map { "has the address \($0), not \(address)" } ?? "does not exist"
            return Reason(.staleSlice, object: slice, text: "\(slice) names pod \(name), which \(truth)")
        }
        return nil
    }

    /// Pods are ready, and their slices have not followed. Without a selector no controller makes them follow.
    private func lagging(_ route: Route) -> Reason? {
        let left = route.port.endpoints.filter { route.fate($0) == .notReady }
        guard told(route).contradiction == nil, let selector = route.service.selector, let first = left.first,
            left.map({ pod(of: $0, route) }).allSatisfy({ $0?.stateText == "ready" && $0?.matches(selector) == true })
        else { return nil }
        let slice = "EndpointSlice \(first.slice)"
        return Reason(
            .notReady, object: slice,
            text: "\(name(of: first, route)) is ready, and \(slice) says that it is not",
            remedy: ReasonCode.staleSlice.entry.remedy)
    }

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

    private func portNames(_ route: Route) -> Reason {
        let reason = told(route).portNames
        // Where pods declare no port of that name a slice that is made of them cannot have it.
        let isOfPods = [.portNamesDiffer, .sliceWithoutPorts].contains(reason.code) && route.service.selector != nil
        let isNamed = !target(route).isEmpty && Port(Int(target(route)) ?? 0) == nil
        return isOfPods && isNamed ? targetPort(route) ?? reason : reason
    }

    /// As `targetPort` is written; empty where it is not.
    func target(_ route: Route) -> String {
        guard let view = view.services[route.service.name],
            let index = route.service.ports.firstIndex(of: route.port.spec), view.targets.indices.contains(index)
        else { return "" }
        return view.targets[index]
    }

    /// Nil where no pod is known, or one has the port.
    private func targetPort(_ route: Route) -> Reason? {
        let (target, proto) = (target(route), route.port.spec.proto)
        let pods = matching(route.service.selector ?? [:], in: route.service.name.namespace)
        let ports = pods.flatMap(\.ports).filter { $0.name == target }
        guard let pod = pods.first, !ports.contains(where: { $0.proto == proto }) else { return nil }
        let title = "\(route.field).targetPort is \(target)"
        let service = "Service \(route.service.name)"
        if let port = ports.first, let pod = pods.first(where: { $0.ports.contains(port) }) {
            return Reason(
                .protocolsDiffer, object: service,
                text: "\(title), which \(pod.name.name) has for \(port.proto), and the Service wants \(proto)",
                remedy: "correct protocol in containers[].ports or in \(route.field)")
        }
        let names = Set(pod.ports.map(\.name).filter { !$0.isEmpty }).sorted()
        let named = names.isEmpty ? "no port by name" : names.joined(separator: ", ")
        return Reason(
            .targetPortName, object: service, text: "\(title), and \(pod.name.name) names \(named)",
            remedy: "correct targetPort or the name in containers[].ports")
    }

    // MARK: Places

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
        return told(route).notHere(isInside: route.frontend?.kind == .clusterIP, isClientOutside: route.isOutside)
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
