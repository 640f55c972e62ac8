import KubernetesObjects
import ServiceModel

/// Addresses and names that lead to nothing, and what was probably meant.
extension Explainer {
    /// Why no frontend has this key.
    func missed(_ key: FrontendKey, _ question: ExplainQuestion) -> Reason {
        for service in services {
            if let reason = miss(key, of: service) { return underlying(reason, of: service) ?? reason }
        }
        let isOwn = node.nodePortAddresses.contains { $0.address == key.address }
        if isOwn, let reason = nodePortOfAnotherPlace(key) ?? healthCheck(key) ?? hostPort(key) { return reason }
        let refusal = refusal { $0.owns(key.address) || isOwn && $0.ports.contains { $0.nodePort == key.port } }
        return refusal.map { Reason($0) } ?? missed(key.address)
    }

    /// What an address is that no Service has, as far as is known.
    func missed(_ address: IPAddress) -> Reason {
        let reason = stranger(address)
        guard reason.code == .notAFrontend else { return reason }
        if let refusal = refusal(where: { $0.owns(address) }) { return Reason(refusal) }
        if let named = named(address) { return named }
        let isOwn = reason.object == "Node \(node.name)"
        let nameless = refusal {
            isOwn
                ? $0.kind == .nodePort || $0.kind == .loadBalancer
                : $0.clusterIPs.isEmpty && !$0.isHeadless && $0.kind != .externalName
        }
        return nameless.map { Reason($0, after: reason.text) } ?? unread(naming: nil, after: reason.text) ?? reason
    }

    /// An address that a Service names where it does not count.
    private func named(_ address: IPAddress) -> Reason? {
        let lead = "no Service has the address \(address)"
        for service in services {
            let places = view.services[service.name]?.addresses ?? []
            guard let place = places.first(where: { $0.names(address) }) else { continue }
            let object = "Service \(service.name)"
            if let flaw = flaws(of: service).first(where: { $0.problem.field?.hasPrefix(place.field) == true }) {
                return Reason(flaw.problem, after: lead)
            }
            return Reason(
                .addressPending, object: object,
                text: "\(lead); \(service.name) has it in \(place.field), which is a wish: served is what a controller "
                    + "writes to status.loadBalancer.ingress")
        }
        guard let double = view.shadowed.first(where: { $0.service.owns(address) }) else { return nil }
        return self.double(of: double.service).map { Reason($0, after: lead) }
    }

    private func stranger(_ address: IPAddress) -> Reason {
        if node.nodePortAddresses.contains(where: { $0.address == address }) {
            let haveNodePorts = compiler.desired.services.values.contains { service in
                service.ports.flatMap(\.frontends).contains { $0.kind == .nodePort && $0.key.address == address }
            }
            return Reason(
                .notAFrontend, object: "Node \(node.name)",
                text: "\(address) is an address of \(node.name), where Services have their NodePorts only",
                remedy: haveNodePorts
                    ? "ask one of these" : "ask a Service's own address, or set type: NodePort")
        }
        if let slice = state.events.lazy.compactMap({ event -> EndpointSlice? in
            if case .slice(let slice) = event { return slice }
            return nil
        }).first(where: { $0.endpoints.contains { $0.address == address } }) {
            let owner = ObjectName(namespace: slice.name.namespace, name: slice.serviceName)
            let pod = view.podName(of: address, in: slice.name, selector: state.service(named: owner)?.selector)
            return Reason(
                .podAddress, object: "Service \(owner)",
                text: "\(address) is \(pod ?? "an endpoint") itself: no Service is asked",
                remedy: "ask \(slice.serviceName)'s address")
        }
        if let pod = view.pods.first(where: { $0.addresses.contains(address) }) {
            return Reason(
                .podAddress, object: "Pod \(pod.name)",
                text: "\(address) is pod \(pod.name) itself: no Service is asked")
        }
        let known = services.flatMap { service in service.clusterIPs.map { ("\($0)", service.name) } }
        let near = known.map(\.0).filter { $0.count > 4 }.nearest(to: "\(address)")
        guard let near, let owner = known.first(where: { $0.0 == near }) else {
            return Reason(.notAFrontend, text: "no Service has the address \(address)")
        }
        return Reason(
            .notAFrontend, object: "Service \(owner.1)",
            text: "no Service has the address \(address); did you mean \(near) (\(owner.1))?", remedy: "")
    }

    private func miss(_ key: FrontendKey, of service: Service) -> Reason? {
        let object = "Service \(service.name)"
        let ingress = service.ingress.first { $0.address == key.address }
        let own = service.clusterIPs + service.externalIPs + service.ingress.map(\.address)
        if own.contains(key.address) {
            if let alone = trace(of: service.name)?.leftAlone { return left(alone, service) }
            if let conflict = compiler.conflicts.first(where: {
                $0.service == service.name && $0.frontend.address == key.address && $0.frontend.port == key.port
            }) {
                return held(conflict)
            }
            if let remark = service.addressRemarks(on: node).first(where: { $0.address == key.address }) {
                switch remark.cause {
                case .heldByDevice: return Reason(.heldByDevice, text: remark.text)
                case .noFrontend: return Reason(.noFrontendAddress, object: object, text: remark.text)
                case .loopback: break
                }
            }
            if ingress?.mode == .proxy {
                return Reason(
                    .addressOfProxy, object: object,
                    text: "\(key.address) has ipMode: Proxy, so that it is left to the load balancer")
            }
            if service.externalIPs.contains(key.address), !node.servesExternalIPs {
                return Reason(
                    .externalIPsOff, object: object,
                    text: "\(key.address) is an external IP of \(service.name), and those are switched off")
            }
            if let reason = notServed(key, of: service) { return reason }
            // Of other addresses than ClusterIPs the ports that no Service has are left alone.
            if !service.clusterIPs.contains(key.address) {
                let own = stranger(key.address)
                if own.code == .podAddress { return own }
            }
            return otherPort(key, of: service)
        }
        guard service.ports.contains(where: { $0.nodePort == key.port && $0.proto == key.proto }),
            view.nodes.values.contains(where: { $0.addresses.contains(key.address) })
                || node.nodePortAddresses.isEmpty || node.primaryAddresses.contains(key.address)
        else { return nil }
        if service.kind == .clusterIP {
            return Reason(
                .notAFrontend, object: object,
                text: "\(service.name) has nodePort \(key.port), and type ClusterIP, which serves none",
                remedy: "set type: NodePort")
        }
        return nodePort(key, of: service)
    }

    /// Why nothing is served at an address of a Service, for a port that it has.
    private func notServed(_ key: FrontendKey, of service: Service) -> Reason? {
        guard service.ports.contains(where: { $0.port == key.port && $0.proto == key.proto }) else { return nil }
        let object = "Service \(service.name)"
        let family = key.address.family == .v4 ? "IPv4" : "IPv6"
        if !service.clusterIPs.contains(where: { $0.family == key.address.family }) {
            return Reason(
                .familyMissing, object: object,
                text: "\(key.address) is not served: \(service.name) has no ClusterIP of \(family)",
                remedy: "write an \(family) address in spec.clusterIPs")
        }
        guard service.ingress.contains(where: { $0.address == key.address }), service.kind != .loadBalancer else {
            return nil
        }
        return Reason(
            .notAFrontend, object: object,
            text: "\(key.address) is not served: it is of status.loadBalancer, and \(service.name) has the type "
                + service.kind.rawValue,
            remedy: "set type: LoadBalancer, or write externalIPs")
    }

    private func nodePort(_ key: FrontendKey, of service: Service) -> Reason {
        let family = key.address.family
        if !service.clusterIPs.isEmpty, !service.clusterIPs.contains(where: { $0.family == family }) {
            let word = family == .v4 ? "IPv4" : "IPv6"
            return Reason(
                .familyMissing, object: "Service \(service.name)",
                text:
                    "\(key.port) is a NodePort of \(service.name), which has no ClusterIP of \(word), and so no NodePort",
                remedy: "write an \(word) address in spec.clusterIPs, or ask an address of the other family")
        }
        let served = node.nodePortAddresses.filter { !$0.hostOnly && $0.address.family == family }.map {
            "\($0.address)"
        }
        let other = view.nodes.values.first { $0.addresses.contains(key.address) && $0.name != node.name }
        let list = served.isEmpty ? "on no address" : "on \(served.joined(separator: ", "))"
        return Reason(
            .nodePortElsewhere, object: "Node \(other?.name ?? node.name)",
            text: "\(key.port) is a NodePort of \(service.name), which \(node.name) serves \(list)",
            remedy: other.map { "\(key.address) is \($0.name)'s: explain it there" }
                ?? "ask one of these, or change --nodeport-addresses")
    }

    private func healthCheck(_ key: FrontendKey) -> Reason? {
        guard key.proto == .tcp, let service = services.first(where: { $0.healthCheckNodePort == key.port }) else {
            return nil
        }
        return Reason(
            .notAFrontend, object: "Service \(service.name)",
            text: "\(key.port) is the healthCheckNodePort of \(service.name), where load balancers ask the node itself",
            remedy: "ask one of its nodePorts")
    }

    private func hostPort(_ key: FrontendKey) -> Reason? {
        let pod = view.pods.first { pod in
            !pod.isOver && pod.nodeName == node.name
                && pod.ports.contains { $0.hostPort == key.port && $0.proto == key.proto }
        }
        return pod.map { pod in
            Reason(
                .podAddress, object: "Pod \(pod.name)",
                text: "\(key.port) is a hostPort of pod \(pod.name), which the CNI serves: no Service is asked",
                remedy: "see the CNI's rules (portmap), and the pod itself")
        }
    }

    private func nodePortOfAnotherPlace(_ key: FrontendKey) -> Reason? {
        for service in services where service.kind == .nodePort || service.kind == .loadBalancer {
            guard let other = service.ports.first(where: { $0.nodePort == key.port }) else { continue }
            if service.ports.contains(where: { $0.nodePort == key.port && $0.proto == key.proto }) {
                return nodePort(key, of: service)
            }
            return Reason(
                .otherProtocol, object: "Service \(service.name)",
                text:
                    "\(key.port)/\(other.proto) is a NodePort of \(service.name), and \(key.port)/\(key.proto) is none",
                remedy: remedy(asking: other.proto, for: key.proto))
        }
        return nil
    }

    private func remedy(asking served: IPProtocol, for asked: IPProtocol) -> String {
        let again =
            switch served {
            case .udp: "ask with --udp"
            case .tcp: "ask without --udp"
            case .sctp: "ask the Service by its name"
            }
        return "\(again), or add a port with protocol: \(asked) to spec.ports"
    }

    private func otherPort(_ key: FrontendKey, of service: Service) -> Reason {
        let list = service.ports.map { "\($0.port)/\($0.proto)" + ($0.name.isEmpty ? "" : " (\($0.name))") }
        let own = "\(key.address) is \(service.name), which serves \(list.joined(separator: ", "))"
        let text = "\(own), not \(key.port)/\(key.proto)"
        if let other = service.ports.first(where: { $0.port == key.port }) {
            return Reason(
                .otherProtocol, object: "Service \(service.name)", text: text,
                remedy: remedy(asking: other.proto, for: key.proto))
        }
        let remedy = remedy(askingTarget: "\(key.port)", of: service)
        if remedy == nil, let place = placeOfNodePort(key) {
            return Reason(
                .portNotServed, object: "Service \(service.name)", text: text + place.text, remedy: place.remedy)
        }
        return Reason(
            .portNotServed, object: "Service \(service.name)", text: text,
            remedy: remedy ?? "ask one of these, or add the port to spec.ports")
    }

    /// A NodePort that is asked at an address of a Service.
    private func placeOfNodePort(_ key: FrontendKey) -> (text: String, remedy: String)? {
        let served = compiler.desired.services.values.flatMap(\.ports).flatMap(\.frontends).filter { frontend in
            frontend.kind == .nodePort && !frontend.hostOnly && frontend.key.port == key.port
                && frontend.key.proto == key.proto && frontend.key.address.family == key.address.family
        }
        guard let address = served.map(\.key.address).min(),
            let owner = services.first(where: { $0.ports.contains { $0.nodePort == key.port && $0.proto == key.proto } }
            )
        else { return nil }
        return ("; \(key.port) is a NodePort of \(owner.name)", "ask \(FrontendKey.socket(address, key.port))")
    }

    /// Of a port that is asked and is where a service port leads.
    private func remedy(askingTarget target: String?, of service: Service) -> String? {
        guard let target, let place = view.services[service.name]?.targets.firstIndex(of: target),
            service.ports.indices.contains(place)
        else { return nil }
        return "ask \(service.ports[place].port), whose targetPort is \(target)"
    }

    func noSuchPort(_ port: String?, of service: Service, _ proto: IPProtocol?) -> Reason {
        let list = service.ports.map { "\($0.port)/\($0.proto)" + ($0.name.isEmpty ? "" : " (\($0.name))") }
        let wanted = [port, proto.map { "\($0)" }].compactMap(\.self).joined(separator: "/")
        let names = service.ports.map(\.name).filter { !$0.isEmpty }
        let near = port.flatMap { names.nearest(to: $0) }.map { "; did you mean \($0)?" } ?? ""
        let text =
            "\(service.name) serves \(list.isEmpty ? "no port" : list.joined(separator: ", ")), not \(wanted)\(near)"
        let object = "Service \(service.name)"
        let other = service.ports.first { port == nil || "\($0.port)" == port || $0.name == port }
        if let other, let proto {
            return Reason(.otherProtocol, object: object, text: text, remedy: remedy(asking: other.proto, for: proto))
        }
        return Reason(
            .portNotServed, object: object, text: text,
            remedy: remedy(askingTarget: port, of: service)
                ?? (near.isEmpty ? "ask one of these, or add the port to spec.ports" : ""))
    }

    func left(_ reason: LeftAlone, _ service: Service) -> Reason {
        let object = "Service \(service.name)"
        switch reason {
        case .otherProxy:
            let label = "service.kubernetes.io/service-proxy-name"
            guard let value = service.labels[label] else {
                return Reason(
                    .otherProxy, object: object,
                    text: "\(service.name) lacks the label \(label): \(node.proxyName ?? "")", remedy: "add it")
            }
            return Reason(
                .otherProxy, object: object,
                text: "\(service.name) has the label \(label)=\(value): served by that proxy",
                remedy: "remove the label")
        case .headless:
            return Reason(.headless, object: object, text: "\(service.name) is headless: nothing is translated")
        case .externalName:
            return Reason(
                .externalName, object: object,
                text: "\(service.name) is a name in DNS only (\(service.externalName ?? ""))")
        case .noClusterIP:
            return Reason(
                .noClusterIP, object: object,
                text: "\(service.name) is not served: spec.clusterIP is empty, and nothing allocates one here")
        }
    }

    func unknown(_ namespace: String?, _ name: String) -> Reason {
        let wanted = namespace.map { "\($0)/\(name)" } ?? name
        let refusal = refusal { $0.name.name == name && (namespace == nil || $0.name.namespace == namespace) }
        if let refusal { return Reason(refusal) }
        if let other = services.first(where: { $0.name.name == name }) {
            return Reason(
                .noSuchService, object: "Service \(wanted)", text: "no Service \(wanted); there is \(other.name)",
                remedy: "write the namespace")
        }
        let near = services.map(\.name.name).nearest(to: name)
        let meant = near.map { "; did you mean \($0)?" } ?? ""
        if near == nil, let unread = unread(naming: name, after: "no Service \(wanted)") { return unread }
        return Reason(
            .noSuchService, object: "Service \(wanted)", text: "no Service \(wanted)\(meant)",
            remedy: near == nil ? "`swiftlet services` lists all" : "")
    }

    /// What the Service asks for and another one holds.
    func conflicts(of service: Service) -> [Conflict] { compiler.conflicts.filter { $0.service == service.name } }

    private func held(_ conflict: Conflict) -> Reason {
        Reason(
            .conflict, object: "Service \(conflict.service)",
            text: "\(conflict.frontend) of \(conflict.service) is held by \(conflict.heldBy)",
            remedy: "give one of the two another address or port")
    }

    /// A Service without a frontend for this client.
    func noDoor(_ route: Route) -> Reason {
        let service = route.service
        // No client outside reaches loopback.
        let conflicts = conflicts(of: service).filter { !route.isOutside || !$0.frontend.address.isLoopback }
        if let conflict = conflicts.first { return held(conflict) }
        let object = "Service \(service.name)"
        let names = view.services[service.name]?.balancerNames ?? []
        if service.kind == .loadBalancer, service.ingress.isEmpty, !names.isEmpty {
            let list = names.joined(separator: ", ")
            return Reason(
                .addressIsName, object: object,
                text: "\(service.name): status.loadBalancer.ingress has no address, only the name \(list)",
                remedy: "ask that name, which leads to the load balancer")
        }
        if service.kind == .loadBalancer && service.ingress.isEmpty {
            return Reason(
                .addressPending, object: object,
                text: "\(service.name): status.loadBalancer.ingress is empty, no controller has given an address")
        }
        if service.kind == .nodePort && route.port.spec.nodePort == nil {
            return Reason(
                .nodePortUnset, object: object,
                text: "\(service.name): \(route.field).nodePort is not set, and nothing allocates one here",
                remedy: "write \(route.field).nodePort")
        }
        if let unknown = unknownNode() { return unknown }
        return Reason(
            .nodePortElsewhere, object: "Node \(node.name)", text: "\(node.name) serves NodePorts on no address",
            remedy: "see --nodeport-addresses")
    }
}
