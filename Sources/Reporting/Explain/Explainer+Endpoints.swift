import KubernetesObjects
package import ServiceModel

/// The endpoints as a person knows them, and what came of a connect to each.
extension Explainer {
    func endpoints(_ route: Route) -> [Explanation.Endpoint] {
        route.port.endpoints.map { endpoint in
            let fate = route.fate(endpoint)
            let word = outcomeWord(fate, endpoint, route)
            return Explanation.Endpoint(
                slice: endpoint.slice.name, address: "\(endpoint.endpoint.address)",
                port: endpoint.port.map { Int($0.number) },
                pod: podName(of: endpoint, route), node: endpoint.endpoint.nodeName, zone: endpoint.endpoint.zone,
                condition: endpoint.endpoint.conditionText, used: fate.isUsed,
                outcome: fate.isUsed ? word : "left out: \(word)", reason: fate.code?.rawValue)
        }
    }

    /// Why an endpoint is left out, or how it is used, in a word or two.
    func outcomeWord(_ fate: EndpointFate, _ endpoint: ServiceTrace.Endpoint, _ route: Route) -> String {
        switch fate {
        case .used: "used"
        case .fallback: "used: terminating, serving (fallback)"
        case .unasked: "no frontend asks for it"
        case .notReady: podState(of: endpoint, route) ?? "readiness"
        case .draining: "terminating, serving: keeps its connections"
        case .ended: "terminating"
        case .hints: "hints of " + (endpoint.endpoint.zoneHints + endpoint.endpoint.nodeHints).joined(separator: ", ")
        case .elsewhere: "on " + (endpoint.endpoint.nodeName ?? "no known node")
        case .otherPort:
            "offers "
                + (route.port.offered.isEmpty
                    ? "no port"
                    : route.port.offered.map { $0.hasPrefix("/") ? "an unnamed port\($0)" : $0 }.joined(separator: ", "))
        case .otherFamily: "the other IP family"
        case .repeated:
            route.port.counted(inPlaceOf: endpoint).map { "listed twice, \($0.slice.name) counts" } ?? "listed twice"
        }
    }

    /// `web-a`, or the address where no pod is known.
    func name(of endpoint: ServiceTrace.Endpoint, _ route: Route) -> String {
        podName(of: endpoint, route) ?? endpoint.socketText
    }

    /// ` (web-a)`, where the pod is known.
    func podText(of endpoint: ServiceTrace.Endpoint, _ route: Route) -> String {
        podName(of: endpoint, route).map { " (\($0))" } ?? ""
    }

    func pod(of endpoint: ServiceTrace.Endpoint, _ route: Route) -> PodView? {
        let name = podName(of: endpoint, route)
        return view.pods.first { $0.name.namespace == endpoint.slice.namespace && $0.name.name == name }
    }

    private func podName(of endpoint: ServiceTrace.Endpoint, _ route: Route) -> String? {
        endpoint.endpoint.pod
            ?? view.podName(of: endpoint.endpoint.address, in: endpoint.slice, selector: route.service.selector)
    }

    private func podState(of endpoint: ServiceTrace.Endpoint, _ route: Route) -> String? {
        pod(of: endpoint, route).map { $0.stateText == "ready" ? "its slice says not ready" : $0.stateText }
    }

    /// What the connects to the endpoints say, as far as some were made.
    func connects(_ route: Route, _ steps: inout [Explanation.Step]) -> Reason? {
        guard let connects = facts.connects else { return nil }
        let place = facts.connectPlace ?? "from this node"
        var failures: [Reason] = []
        for endpoint in route.used {
            guard let port = endpoint.port, let outcome = connects[FrontendKey.socket(endpoint.endpoint.address, port)]
            else { continue }
            let socket = FrontendKey.socket(endpoint.endpoint.address, port)
            steps.append(.init(text: "connect to \(socket) \(place): \(words(outcome, endpoint, port, route))"))
            if outcome != .works { failures.append(failure(outcome, endpoint, port, route)) }
        }
        return joined(failures, route)
    }

    /// What the routes and the rules of netfilter say of the ways to the endpoints.
    func ways(_ route: Route) -> Reason? {
        if let device = facts.downDevice {
            return Reason(
                .deviceDown, object: "device \(device)", text: "device \(device) is down",
                remedy: "`ip link set \(device) up`, or see to its cable")
        }
        if let device = facts.idleDevice {
            return Reason(
                .deviceDown, object: "device \(device)",
                text: "device \(device), by which the endpoints are reached, is up and has no carrier",
                remedy: "see to its cable, or to its other end: `ip link show \(device)`")
        }
        if let lost = lostClient(route) { return lost }
        let failures = route.used.compactMap { endpoint -> Reason? in
            guard let port = endpoint.port else { return nil }
            let socket = FrontendKey.socket(endpoint.endpoint.address, port)
            if let stray = stray(endpoint, socket, route) { return stray }
            if let outcome = facts.ways?[socket], outcome != .works { return failure(outcome, endpoint, port, route) }
            if let obstacle = facts.obstacles?[socket] { return closed(by: obstacle, socket, endpoint, route) }
            guard let filter = facts.filters?[socket] else { return nil }
            return Reason(
                .filtered,
                text:
                    "\(filter.rule)\(filter.place) drops \(filter.packets(at: socket))\(podText(of: endpoint, route))",
                remedy: "`\(filter.command)` shows it")
        }
        return joined(failures, route)
    }

    /// The first of what fails, and of how many endpoints, where it is not all of them.
    func joined(_ failures: [Reason], _ route: Route) -> Reason? {
        guard var reason = failures.first else { return nil }
        let (count, all) = (failures.count, route.used.count)
        if count < all {
            reason.text = "\(count) of \(all) endpoints \(count == 1 ? "is" : "are") not reached: \(reason.text)"
        }
        return reason
    }

    /// Packets of a client outside do not come here, or nothing leads back to it.
    private func lostClient(_ route: Route) -> Reason? {
        guard case .outside(let client) = route.question.client, let frontend = route.frontend else { return nil }
        if facts.isAskedHere == false {
            return Reason(
                .nodePortElsewhere, object: "Node \(node.name)",
                text: "\(frontend.key.address) is an address of Node \(node.name), and none of its devices has it",
                remedy: "give it to a device, or correct the Node's status.addresses")
        }
        guard facts.hasNoWayBack == true else { return nil }
        return Reason(
            .noRoute, text: "no route leads back to the client, \(client)",
            remedy: "add one (`ip route get \(client)` says what the kernel knows)")
    }

    private func words(
        _ outcome: ExplainFacts.Connect, _ endpoint: ServiceTrace.Endpoint, _ port: Port, _ route: Route
    ) -> String {
        switch outcome {
        case .works: "it answers"
        case .refused where isListened(at: FrontendKey.socket(endpoint.endpoint.address, port)): "refused"
        case .refused: "refused: nothing listens on \(port) in \(name(of: endpoint, route)), or a rule there rejects it"
        case .timedOut: "no answer in 1 s"
        case .noRoute: "no route"
        case .notPermitted: "a rule of this node forbids it"
        case .prohibited: "prohibited by a route"
        case .blackholed: "a route of type blackhole"
        case .unreachable: "unreachable"
        case .noClientPort: "no local port is left"
        case .noWayFromDevice: "no route from the client's device"
        }
    }

    private func failure(
        _ outcome: ExplainFacts.Connect, _ endpoint: ServiceTrace.Endpoint, _ port: Port, _ route: Route
    ) -> Reason {
        let pod = name(of: endpoint, route)
        let socket = FrontendKey.socket(endpoint.endpoint.address, port)
        let place = socket + podText(of: endpoint, route)
        if let diverted = diverted(outcome, socket, place) { return diverted }
        switch outcome {
        case .refused, .timedOut:
            if let deaf = deaf(outcome, pod, endpoint.endpoint.address, port) { return deaf }
        default: break
        }
        switch outcome {
        case .refused: return nothingListens(pod, endpoint, port, route)
        case .noRoute:
            return Reason(
                .noRoute, object: "Pod \(pod)", text: "there is no route to \(place)",
                remedy: "look at the CNI's routes for \(endpoint.endpoint.nodeName.map { "node \($0)" } ?? "it")")
        case .prohibited: return closed("prohibit", place)
        case .blackholed: return closed("blackhole", place)
        case .noWayFromDevice:
            let device = facts.arrivalDevice ?? "the client's device"
            return Reason(
                .noRoute, text: "no route leads to \(place) for what comes by \(device)",
                remedy: "see `ip rule`, and `ip route get \(endpoint.endpoint.address) from CLIENT iif \(device)`")
        case .unreachable:
            return Reason(
                .noRoute, object: "Pod \(pod)",
                text: "\(place) is unreachable: a route says so, or no host on the link has the address",
                remedy: "see `ip route get \(endpoint.endpoint.address)`, and the pod's device")
        case .noClientPort:
            return Reason(
                .noClientPort, text: "no local port is left for a connection to \(place)")
        case .notPermitted:
            return Reason(.filtered, text: "a netfilter rule of this node rejects packets to \(place)")
        case .timedOut, .works:
            return Reason(
                .noAnswer, object: "Pod \(pod)",
                text: pod == socket ? "\(socket) does not answer" : "\(pod) does not answer on \(socket)")
        }
    }

    private func closed(_ type: String, _ place: String) -> Reason {
        Reason(
            .noRoute, text: "the route to \(place) is of type \(type)",
            remedy: "remove it: `ip route show table all type \(type)`")
    }

    /// A slice whose port is not the one that the Service's targetPort has in a pod which declares that one alone.
    func foreignPort(_ route: Route) -> Reason? {
        guard route.service.selector != nil else { return nil }
        let (target, field) = (target(route), "\(route.field).targetPort")
        for endpoint in route.used where !endpoint.slice.name.contains("@") {
            guard let port = endpoint.port, let pod = pod(of: endpoint, route) else { continue }
            if facts.connects?[FrontendKey.socket(endpoint.endpoint.address, port)] == .works { continue }
            let declared = pod.ports.filter { $0.proto == route.port.spec.proto }
            guard !declared.contains(where: { $0.number == port }),
                let wanted = declared.first(where: { $0.name == target || "\($0.number)" == target })
            else { continue }
            let named = "\(wanted.number)" == target ? "" : ", which is \(wanted.number) in \(pod.name.name)"
            return Reason(
                .staleSlice, object: "EndpointSlice \(endpoint.slice)",
                text: "EndpointSlice \(endpoint.slice) has port \(port) for \(pod.name.name), and \(field) is "
                    + target + named,
                remedy: "correct ports[].port, or see that what writes the slice runs (kube-controller-manager)")
        }
        return nil
    }

    private func nothingListens(
        _ pod: String, _ endpoint: ServiceTrace.Endpoint, _ port: Port, _ route: Route
    ) -> Reason {
        let declared =
            view.pods.first { $0.name.name == pod && $0.name.namespace == endpoint.slice.namespace }?.ports
            .filter { $0.proto == route.port.spec.proto }.map { "\($0.number)" } ?? []
        let source = source(of: port, endpoint, route)
        guard !declared.isEmpty, !declared.contains("\(port)") else {
            return Reason(
                .nothingListens, object: "Pod \(pod)", text: "nothing listens on \(port) in \(pod)",
                remedy: "correct \(source.field), or start the program there")
        }
        return Reason(
            .nothingListens, object: source.object,
            text: "\(source.text); \(pod) declares containerPort \(declared.joined(separator: ", "))",
            remedy: source.object == endpoint.origin ? "correct ports[].port" : "correct one of the two")
    }

    /// What says that an endpoint is asked at this port: the Service, where it has a selector and its slice follows it, or else
    /// what the endpoint is written in.
    private func source(
        of port: Port, _ endpoint: ServiceTrace.Endpoint, _ route: Route
    ) -> (object: String, field: String, text: String) {
        let target = target(route)
        let service = "Service \(route.service.name)"
        if route.service.selector != nil {
            let field = "\(route.field).targetPort"
            let isNamed = pod(of: endpoint, route)?.ports.contains { $0.name == target && $0.number == port } ?? false
            if !target.isEmpty, isNamed { return (service, field, "\(field) is \(target), which is \(port)") }
            if target == "\(port)" { return (service, field, "\(field) is \(port)") }
            if target.isEmpty, port == route.port.spec.port {
                return (service, field, "\(field) is not written, and port is \(port)")
            }
        }
        let origin = endpoint.origin
        return (origin, "ports[].port of \(origin)", "ports[].port of \(origin) is \(port)")
    }
}

extension ServiceTrace.Endpoint {
    /// The object that it is written in: of Endpoints, and of what only the maps say, the slices are made here.
    fileprivate var origin: String {
        guard let mark = slice.name.firstIndex(of: "@") else { return "EndpointSlice \(slice)" }
        if mark == slice.name.startIndex { return "the kernel's maps" }
        return "Endpoints \(slice.namespace)/\(slice.name[..<mark])"
    }
}

extension Endpoint {
    fileprivate var conditionText: String {
        if terminating { return serving ? "terminating, serving" : "terminating" }
        return ready ? "ready" : "not ready"
    }
}

extension EndpointFate {
    /// In the catalogue of reasons; nil for an endpoint that is used.
    package var code: ReasonCode? {
        switch self {
        case .used, .unasked, .repeated: nil
        case .fallback: .fallback
        case .notReady: .podNotReady
        case .draining, .ended: .podTerminating
        case .hints: .hints
        case .elsewhere: .notOnThisNode
        case .otherPort: .portNamesDiffer
        case .otherFamily: .otherFamily
        }
    }
}

extension PodView {
    /// What keeps it from being used: `Pending`, `readiness`, `CrashLoopBackOff` …
    var stateText: String {
        if isTerminating { return "terminating" }
        if isOver { return phase }
        if phase == "Pending" { return [phase, waitingReason].compactMap(\.self).joined(separator: ", ") }
        if addresses.isEmpty { return "no address" }
        if isReady { return "ready" }
        return waitingReason ?? openGate.map { "readiness gate \($0)" } ?? "readiness"
    }

    /// What keeps it out of the slices.
    var obstacle: ReasonCode? {
        if isTerminating { return .podTerminating }
        if isOver { return .podOver }
        if phase == "Pending" { return .podPending }
        return addresses.isEmpty ? .podWithoutAddress : nil
    }

    /// What to do about it; nil for what the catalogue says.
    var remedy: String? {
        if isTerminating || isOver || isReady { return nil }
        switch waitingReason {
        case "CrashLoopBackOff", "RunContainerError":
            return "ask `kubectl logs -n \(name.namespace) -p \(name.name)` why its container ends"
        case "ErrImagePull", "ImagePullBackOff", "InvalidImageName":
            return "correct the image of pod \(name.name), or the rights to pull it"
        case nil: break
        default: return "ask `kubectl describe pod -n \(name.namespace) \(name.name)` why its container does not start"
        }
        guard phase != "Pending", !addresses.isEmpty else { return nil }
        return openGate.map {
            "see to it that the controller of readiness gate \($0) sets that condition of pod \(name.name)"
        }
    }
}
