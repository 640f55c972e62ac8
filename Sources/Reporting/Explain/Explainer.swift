package import KubernetesObjects
package import ServiceModel

/// Follows a connection from the address that a client asks to the endpoint that it gets, and stops at what is in the way.
///
/// Pure: it compiles what the objects say, by the program's own compiler with a trace, and joins it with what was seen of
/// the node.
package struct Explainer {
    let view: ClusterView
    private(set) var facts: ExplainFacts
    let node: NodeConfiguration
    let state: ClusterState
    let compiler: Compiler
    /// Every Service that is seen, sorted by name.
    let services: [Service]

    /// With a node as its Node object, the settings and the given addresses make it.
    package init(view: ClusterView, facts: ExplainFacts = ExplainFacts(), settings: CompileSettings) {
        let object = view.nodes[settings.node.name]
        let addresses = settings.nodeAddresses.isEmpty ? object?.addresses ?? [] : settings.nodeAddresses
        let node = NodeConfiguration(settings.node, node: object, localAddresses: addresses)
        self.init(view: view, facts: facts, node: node)
    }

    /// With the node as a running daemon knows it.
    package init(view: ClusterView, facts: ExplainFacts = ExplainFacts(), node: NodeConfiguration) {
        self.view = view
        self.facts = facts
        self.node = node
        var state = ClusterState(ownNode: node.name)
        let dirty = state.apply(view.events)
        var compiler = Compiler()
        _ = compiler.update(dirty: dirty, state: state, node: node)
        self.compiler = compiler
        self.state = state
        let seen = state
        services = state.serviceNames.sorted().compactMap { seen.service(named: $0) }
    }

    /// The same with what was seen of the node.
    package func with(_ facts: ExplainFacts) -> Explainer {
        var explainer = self
        explainer.facts = facts
        return explainer
    }

    /// Where a question leads as far as the objects say: what is to be looked up in the maps, and tried.
    package struct Destination: Sendable, Hashable {
        package var port: ServicePortName
        package var frontend: DesiredFrontend
        package var endpoints: [DesiredBackend]
    }

    /// The frontends that a question is about, one for each service port; none where it is about none.
    package func destinations(of question: ExplainQuestion) -> [Destination] {
        routes(of: question).compactMap(destination)
    }

    private func destination(_ route: Route) -> Destination? {
        guard let frontend = held(route).flatMap({ route.choose(among: $0, asked: asked(route.question)) }),
            let port = compiler.desired.services[route.service.name]?.ports.first(where: { $0.name == route.port.name })
        else { return nil }
        return Destination(port: port.name, frontend: frontend, endpoints: port.backends(of: frontend))
    }

    /// The service ports that a question is about.
    private func routes(of question: ExplainQuestion) -> [Route] {
        if case .service(let namespace, let name, let port) = question.subject {
            guard let service = service(namespace, name) else { return [] }
            let ports = trace(of: service.name)?.ports.filter { found in
                found.isMeant(by: port, question.proto) && question.subject.address.map(found.isAsked(at:)) ?? true
            }
            let routes = (ports ?? []).map { Route(service: service, port: $0, question: question) }
            // A client asks the addresses of its own families, if there are some.
            let families: Set<IPFamily>
            switch question.client {
            case .outside(let client): families = [client.family]
            case .pod(let name):
                families = Set(view.pods.first { $0.name == name }?.addresses.map(\.family) ?? [])
            case .node, .process: return routes
            }
            let reachable = routes.filter { families.contains($0.port.name.family) }
            return reachable.isEmpty ? routes : reachable
        }
        guard let key = asked(question) else { return [] }
        return services.compactMap { service -> Route? in
            guard let found = compiler.desired.services[service.name]?.ports.first(where: { $0.has(key) }),
                let port = trace(of: service.name)?.ports.first(where: { $0.name == found.name })
            else { return nil }
            return Route(service: service, port: port, question: question)
        }
    }

    /// The frontends of a route that no other Service holds.
    private func held(_ route: Route) -> [DesiredFrontend]? {
        compiler.desired.services[route.service.name]?.ports.first { $0.name == route.port.name }?.frontends
    }

    private func asked(_ question: ExplainQuestion) -> FrontendKey? {
        guard case .address(let address, let port) = question.subject else { return nil }
        return FrontendKey(address: address, port: port, proto: question.proto ?? .tcp)
    }

    private func service(_ namespace: String?, _ name: String) -> Service? {
        if let address = IPAddress(name) { return services.first { $0.owns(address) } }
        let named = services.filter { $0.name.name == name && (namespace == nil || $0.name.namespace == namespace) }
        return named.first { $0.name.namespace == "default" } ?? named.first
    }

    /// The answer to a question.
    ///
    /// - Parameter seen: what was seen on the way to each destination; the explainer's own facts hold for the others.
    package func explain(_ question: ExplainQuestion, seeing seen: [Destination: ExplainFacts] = [:]) -> Explanation {
        func follow(_ route: Route) -> Explanation {
            guard let destination = destination(route), let facts = seen[destination] else { return self.follow(route) }
            return with(facts).follow(route)
        }
        if let idle = idle(question.client) { return answer(question, steps: [], idle) }
        if let other = ofClientsNode(question) {
            var explanation = other.explain(question)
            let text = "the client runs on \(other.node.name): what follows is what the objects say of that node"
            explanation.steps.insert(.init(text: text), at: 0)
            return explanation
        }
        switch question.subject {
        case .address(let address, let port):
            let key = FrontendKey(address: address, port: port, proto: question.proto ?? .tcp)
            if let route = routes(of: question).first { return follow(route) }
            return answer(question, steps: ["\(key) is no frontend on this node"], missed(key, question))
        case .service(let namespace, let name, let port):
            var explanation = explain(namespace, name, port, question, follow)
            if let choice = choice(namespace, name) { explanation.steps.insert(.init(text: choice), at: 0) }
            return explanation
        }
    }

    /// Which of several Services of one name is meant, where no namespace is written.
    private func choice(_ namespace: String?, _ name: String) -> String? {
        guard namespace == nil, let chosen = service(nil, name)?.name else { return nil }
        let others = services.map(\.name).filter { $0.name == name && $0 != chosen }
        if others.isEmpty { return nil }
        let list = others.prefix(4).map(\.description).joined(separator: ", ") + (others.count > 4 ? ", …" : "")
        return "\(name) is taken for \(chosen); there is also \(list)"
    }

    /// For a pod of another node, whose connections are translated there; nil for others. NodePorts of this node are served here
    /// for it as well.
    private func ofClientsNode(_ question: ExplainQuestion) -> Explainer? {
        guard case .pod(let client) = question.client,
            let name = view.pods.first(where: { $0.name == client })?.nodeName, name != node.name,
            let object = view.nodes[name],
            !node.nodePortAddresses.contains(where: { $0.address == question.subject.address })
        else { return nil }
        var settings = NodeSettings(name: name)
        settings.proxyName = node.proxyName
        settings.servesExternalIPs = node.servesExternalIPs
        return Explainer(
            view: view, node: NodeConfiguration(settings, node: object, localAddresses: object.addresses))
    }

    /// How a Service was compiled; nil for one that is not there.
    package func trace(of name: ObjectName) -> ServiceTrace? {
        state.service(named: name).map { ServiceTrace(service: $0, slices: state.slices(of: name), node: node) }
    }

    private func explain(
        _ namespace: String?, _ name: String, _ port: String?, _ question: ExplainQuestion,
        _ follow: (Route) -> Explanation
    ) -> Explanation {
        guard let service = service(namespace, name), let trace = trace(of: service.name) else {
            if let address = IPAddress(name) { return answer(question, steps: [], missed(address)) }
            return answer(question, steps: [], unknown(namespace, name))
        }
        if let leftAlone = trace.leftAlone {
            let reason = left(leftAlone, service)
            return answer(
                question, steps: ["\(service.name) is not served"] + keptSteps(service).map(\.text),
                underlying(reason, of: service) ?? reason)
        }
        let routes = routes(of: question)
        let answers = service.ports.compactMap { spec -> (port: String, answer: Explanation)? in
            let answers = routes.filter { $0.port.spec == spec }.map(follow)
            return (answers.first { !$0.works } ?? answers.first).map { (spec.title, $0) }
        }
        if answers.isEmpty {
            let reason = noSuchPort(port, of: service, question.proto)
            return answer(question, steps: [], underlying(reason, of: service) ?? reason)
        }
        return Explanation(joining: answers)
    }

    /// From a frontend of a service port to its endpoints.
    private func follow(_ start: Route) -> Explanation {
        var route = start
        let question = route.question
        guard let frontend = route.choose(among: held(route) ?? [], asked: asked(question)) else {
            let reason = noDoor(route)
            return answer(
                question, steps: ["\(route.port.name) has no address for this client"],
                underlying(reason, of: route.service) ?? reason)
        }
        route.frontend = frontend
        var steps = [Explanation.Step(text: door(route))]
        let clientReason = client(route, &steps)
        steps.append(.init(text: policy(route)))
        steps.append(.init(text: endpointsTitle(route), endpoints: endpoints(route)))
        steps += keptSteps(route.service)
        steps += conflicts(of: route.service).lines.map { .init(text: $0.text) }
        steps += remarks(on: route.service).map { .init(text: $0) }
        steps += ServiceDoubts(state).of(route.service).map { .init(text: $0) }
        if let maps = facts.maps {
            let verb = maps.isProgrammed ? "agree" : "differ"
            steps.append(.init(text: "the kernel's maps \(verb): \(maps.text)"))
        }
        let connectReason = connects(route, &steps)
        let found =
            clientReason ?? emptiness(route) ?? sources(route) ?? programs(route) ?? loop(route) ?? stale(route)
            ?? ways(route) ?? connectReason ?? foreignPort(route)
        let reason = underlying(found, of: route.service)
        let unseen = view.unseen + (facts.unseen ?? []) + unseenClient(route)
        return Explanation(
            question: question.text, works: reason == nil, steps: steps,
            verdict: .init(reason ?? success(route, seesAll: unseen.isEmpty)), unseen: unseen)
    }

    /// An endpoint at a Service's address: what is sent there is not looked up once more. A ClusterIP is nowhere else; another
    /// address may be a machine's, whose other ports are its own.
    private func loop(_ route: Route) -> Reason? {
        let pairs = route.used.map { ($0.endpoint.address, $0) }
        let endpoints = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
        for service in compiler.desired.services.values {
            let isOwn = service.name == route.service.name
            for frontend in service.ports.flatMap(\.frontends) where !frontend.hostOnly {
                let key = frontend.key
                guard let endpoint = endpoints[key.address], frontend.isLoop(to: endpoint.port, isOwn: isOwn),
                    frontend.kind == .clusterIP || key.proto == route.port.spec.proto
                else { continue }
                let place =
                    frontend.kind == .nodePort
                    ? "\(FrontendKey.socket(key.address, key.port)), a NodePort of Service \(service.name)"
                    : isOwn
                        ? "\(key.address), its Service's own address"
                        : "\(key.address), an address of Service \(service.name)"
                return Reason(
                    .endpointIsService, object: "EndpointSlice \(endpoint.slice)",
                    text: "\(endpoint.slice) leads to \(place): nothing is translated twice",
                    remedy: isOwn ? "name the pods" : nil)
            }
        }
        return nil
    }

    /// The endpoints of each service port, with what became of them.
    package func endpoints(of name: ObjectName) -> [(port: ServicePortName, endpoints: [Explanation.Endpoint])] {
        guard let service = state.service(named: name), let trace = trace(of: name) else { return [] }
        let question = ExplainQuestion(.service(namespace: name.namespace, name: name.name, port: nil))
        return trace.ports.filter { !$0.endpoints.isEmpty }.map { port in
            var route = Route(service: service, port: port, question: question)
            route.frontend = route.choose(among: port.frontends, asked: nil)
            return (port.name, endpoints(route))
        }
    }

    /// Why service ports of a Service have no endpoint.
    package func emptiness(of name: ObjectName) -> [ServicePortName: Reason] {
        guard let service = state.service(named: name), let trace = trace(of: name) else { return [:] }
        let question = ExplainQuestion(.service(namespace: name.namespace, name: name.name, port: nil))
        let reasons = trace.ports.compactMap { port in
            underlying(emptiness(Route(service: service, port: port, question: question)), of: service)
                .map { (port.name, $0) }
        }
        return Dictionary(reasons, uniquingKeysWith: { first, _ in first })
    }

    func answer(_ question: ExplainQuestion, steps: [String], _ reason: Reason) -> Explanation {
        Explanation(
            question: question.text, works: false, steps: steps.map { .init(text: $0) }, verdict: .init(reason),
            unseen: view.unseen + (facts.unseen ?? []))
    }
}

/// What is followed.
struct Route {
    var service: Service
    var port: ServiceTrace.Port
    var question: ExplainQuestion
    var frontend: DesiredFrontend?

    /// Whether the Local set of endpoints counts.
    var isLocal: Bool { frontend?.policy == .local }

    func fate(_ endpoint: ServiceTrace.Endpoint) -> EndpointFate { isLocal ? endpoint.local : endpoint.cluster }

    var used: [ServiceTrace.Endpoint] { port.endpoints.filter { fate($0).isUsed } }

    var isOutside: Bool { if case .outside = question.client { true } else { false } }

    var field: String { service.field(of: port.spec) }

    /// The frontend that the client meets: of its side, where there are two.
    func choose(among frontends: [DesiredFrontend], asked key: FrontendKey?) -> DesiredFrontend? {
        var candidates = frontends.filter { frontend in key.map(frontend.key.isSamePlace) ?? true }
        if let address = question.subject.address {
            candidates = candidates.filter { $0.key.address == address }
        } else if key == nil && isOutside {
            let outer = candidates.filter { $0.kind != .clusterIP && !$0.hostOnly }
            let isInner = service.kind == .clusterIP && service.externalIPs.isEmpty
            candidates = outer.isEmpty && isInner ? candidates : outer
        } else if key == nil {
            candidates = candidates.filter { $0.kind == .clusterIP }
        }
        let wanted: FrontendKey.Scope = isOutside ? .fromOutside : .fromNode
        return candidates.first { $0.key.scope == wanted } ?? candidates.first { $0.key.scope == .fromNode }
    }
}

extension Service {
    /// Whether it has the address for itself, as its nodes' are not.
    func owns(_ address: IPAddress) -> Bool {
        clusterIPs.contains(address) || externalIPs.contains(address) || ingress.contains { $0.address == address }
    }
}

extension Service.PortSpec {
    fileprivate var title: String { name.isEmpty ? "\(port)/\(proto)" : name }
}

extension FrontendKey {
    fileprivate func isSamePlace(as other: FrontendKey) -> Bool {
        address == other.address && port == other.port && proto == other.proto
    }
}

extension DesiredFrontend {
    /// Whether what is sent to its address, at this port, ends there. A Service may have the address of its own endpoint, but for
    /// a ClusterIP and a NodePort.
    fileprivate func isLoop(to port: Port?, isOwn: Bool) -> Bool {
        switch kind {
        case .clusterIP: true
        case .nodePort: key.port == port
        default: !isOwn && key.port == port
        }
    }
}

extension DesiredServicePort {
    fileprivate func has(_ key: FrontendKey) -> Bool { frontends.contains { $0.key.isSamePlace(as: key) } }
}

extension ServiceTrace.Port {
    fileprivate func isAsked(at address: IPAddress) -> Bool { frontends.contains { $0.key.address == address } }

    fileprivate func isMeant(by port: String?, _ proto: IPProtocol?) -> Bool {
        if let proto, spec.proto != proto { return false }
        guard let port else { return true }
        return spec.name == port || "\(spec.port)" == port || spec.nodePort.map { "\($0)" == port } ?? false
    }
}

extension Explanation.Verdict {
    init(_ reason: Reason) {
        self.init(
            code: reason.code.rawValue, object: reason.object, text: reason.text, remedy: reason.remedy,
            docs: reason.code.docs)
    }
}

extension ExplainQuestion {
    var text: String {
        let subject =
            switch subject {
            case .address(let address, let port):
                "\(FrontendKey(address: address, port: port, proto: proto ?? .tcp))"
            case .service(let namespace, let name, let port):
                (namespace.map { "\($0)/" } ?? "") + name + (port.map { ":\($0)" } ?? "")
            }
        switch client {
        case .node: return subject
        case .pod(let name): return "\(subject) from pod \(name)"
        case .process(let pid, let command): return "\(subject) from process \(pid) (\(command))"
        case .outside(let address): return "\(subject) from \(address), outside the node"
        }
    }
}
