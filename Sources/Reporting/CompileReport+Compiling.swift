package import KubernetesObjects
package import ServiceModel

/// Everything that decides a compile beside the objects; nothing is taken from the machine.
package struct CompileSettings: Sendable {
    /// What `swiftlet run` can be told, too.
    package var node: NodeSettings
    /// Stands for the addresses of the node's devices; empty: those of the Node object.
    package var nodeAddresses: [IPAddress] = []

    package init(nodeName: String) { node = NodeSettings(name: nodeName) }
}

extension CompileReport {
    /// Compiles what the manifests define, for one node.
    ///
    /// - Parameter pods: the same objects with their pods, where those are known; asked for only if a port lacks endpoints.
    package init(
        events: [ClusterEvent], problems: [StateProblem] = [], settings: CompileSettings,
        pods: (() -> ClusterView)? = nil
    ) {
        var state = ClusterState(ownNode: settings.node.name)
        let dirty = state.apply(events)
        let object = state.node(named: settings.node.name)
        let node = NodeConfiguration(
            settings.node, node: object,
            localAddresses: settings.nodeAddresses.isEmpty ? object?.addresses ?? [] : settings.nodeAddresses)
        var compiler = Compiler()
        _ = compiler.update(dirty: dirty, state: state, node: node)
        self.init(compiler, state, node: node, problems: problems, pods: pods)
        let own = Set(settings.nodeAddresses + (object?.addresses ?? []))
        let across = ServiceDoubts(state)
        self.problems += compiler.desired.services.values.sorted { $0.name < $1.name }.flatMap { service in
            let doubts = state.service(named: service.name).map(across.of) ?? []
            return (service.doubts(onNodeWith: own) + doubts).map { doubt in
                Problem(kind: "doubtful", file: "", object: "Service \(service.name)", message: doubt)
            }
        }
    }

    private init(
        _ compiler: Compiler, _ state: ClusterState, node: NodeConfiguration, problems: [StateProblem],
        pods: (() -> ClusterView)?
    ) {
        var reasons = FrontendReasons(compiler.desired, state, node)
        if let pods { reasons.look(at: pods) }
        let services = compiler.desired.services.values.sorted { $0.name < $1.name }
        let ports = services.flatMap(\.ports)
        self.node = Node(node)
        frontends = ports.flatMap { port in port.frontends.map { (frontend: $0, port: port) } }
            .sorted { $0.frontend.key < $1.frontend.key }
            .map { Frontend($0.frontend, of: $0.port, on: node, reasons[$0.frontend, $0.port.name]) }
        retainedBackends = ports.flatMap { port in
            port.backends.filter { !$0.inCluster && !$0.inLocal }.map { RetainedBackend($0, of: port.name) }
        }
        healthCheckNodePorts = services.compactMap { service in
            service.healthCheckNodePort.map { port in
                .init(
                    service: "\(service.name)", port: Int(port.number),
                    localEndpoints: service.localReadyEndpoints)
            }
        }
        leftAlone = services.compactMap { service in
            service.leftAlone.map { .init(service: "\(service.name)", reason: $0.rawValue) }
        }
        conflicts = compiler.conflicts.map(Conflict.init)
        // A conflict is known twice: what the compiler says of it counts.
        self.problems = problems.filter { $0.kind != .conflict }.map(Problem.init)
    }
}

/// Why frontends lead nowhere.
private struct FrontendReasons {
    private var ports: [ServicePortName: Emptiness] = [:]
    /// What only pods tell.
    private var ofPods: [ServicePortName: Reason] = [:]
    private let node: NodeConfiguration

    init(_ desired: DesiredState, _ state: ClusterState, _ node: NodeConfiguration) {
        self.node = node
        for (name, desired) in desired.services {
            let leadsNowhere = desired.ports.contains { $0.frontends.contains { $0.action != .balance } }
            guard leadsNowhere, let service = state.service(named: name) else { continue }
            let slices = state.slices(of: name)
            for port in ServiceTrace(service: service, slices: slices, node: node).ports {
                ports[port.name] = Emptiness(service: service, port: port, slices: slices, node: node.name)
            }
        }
    }

    /// Slices tell of some ports only that there are no endpoints. Objects without any pod may be a cluster's, written out
    /// without them.
    mutating func look(at pods: () -> ClusterView) {
        let open = ports.filter { [.noSlice, .selectorMatchesNothing].contains($0.value.port.emptyReason) }
        if open.isEmpty { return }
        let view = pods()
        if view.pods.isEmpty { return }
        let explainer = Explainer(view: view, node: node)
        for service in Set(open.keys.map(\.service)) {
            for (port, reason) in explainer.emptiness(of: service) where open[port] != nil {
                // Manifests with slices need no pods.
                let isGuess = reason.code == .noPods && open[port]?.port.emptyReason == .selectorMatchesNothing
                if !isGuess { ofPods[port] = reason }
            }
        }
    }

    subscript(frontend: DesiredFrontend, port: ServicePortName) -> Reason? {
        guard frontend.action != .balance, let emptiness = ports[port] else { return nil }
        if let reason = ofPods[port] { return reason }
        return emptiness.port.emptyReason == nil
            ? emptiness.notHere(isInside: frontend.kind == .clusterIP) : emptiness.reason
    }
}

extension CompileReport.Node {
    fileprivate init(_ node: NodeConfiguration) {
        self.init(
            name: node.name, zone: node.zone,
            nodePortAddresses: node.nodePortAddresses.map { .init(address: "\($0.address)", hostOnly: $0.hostOnly) },
            primaryAddresses: node.primaryAddresses.map(\.description),
            localTraffic: CompileReport.LocalTraffic(node.localTraffic))
    }
}

extension CompileReport.LocalTraffic {
    fileprivate init(_ traffic: ServiceModel.LocalTraffic) {
        switch traffic {
        case .sources(let ranges): self.init(sources: ranges.map(\.description))
        case .bridge(let name): self.init(bridge: name)
        case .devices(let prefix): self.init(devicePrefix: prefix)
        }
    }
}

extension CompileReport.Frontend {
    fileprivate init(
        _ frontend: DesiredFrontend, of port: DesiredServicePort, on node: NodeConfiguration, _ reason: Reason?
    ) {
        self.init(
            address: "\(frontend.key.address)", port: Int(frontend.key.port.number),
            protocol: "\(frontend.key.proto)", scope: CompileReport.Scope(frontend), kind: frontend.kind.text,
            policy: frontend.policy.rawValue, service: "\(port.name.service)", servicePort: port.name.port,
            action: "\(frontend.action)",
            reason: reason?.text, reasonCode: reason?.code.rawValue,
            backends: port.backends(of: frontend).map(CompileReport.Backend.init),
            affinitySeconds: port.affinitySeconds, masquerade: frontend.masquerade(on: node).rawValue,
            sourceRanges: frontend.sourceRanges.map(CompileReport.SourceRanges.init))
    }
}

extension CompileReport.Scope {
    fileprivate init(_ frontend: DesiredFrontend) {
        if frontend.hostOnly {
            self = .hostOnly
        } else if frontend.hasOutside {
            self = .fromNode
        } else {
            self = frontend.key.scope == .fromOutside ? .fromOutside : .all
        }
    }
}

extension CompileReport.Backend {
    fileprivate init(_ backend: DesiredBackend) {
        self.init(
            address: "\(backend.address)", port: Int(backend.port.number), local: backend.isLocal, zone: backend.zone)
    }
}

extension CompileReport.SourceRanges {
    fileprivate init(_ sources: SourceRanges) {
        self.init(ranges: sources.ranges.map(\.description), admitsVIP: sources.admitsVIP)
    }
}

extension CompileReport.RetainedBackend {
    fileprivate init(_ backend: DesiredBackend, of port: ServicePortName) {
        self.init(
            service: "\(port.service)", servicePort: port.port, protocol: "\(port.proto)",
            address: "\(backend.address)", port: Int(backend.port.number), terminating: backend.state == .terminating)
    }
}

extension CompileReport.Conflict {
    fileprivate init(_ conflict: Conflict) {
        self.init(
            service: "\(conflict.service)", address: "\(conflict.frontend.address)",
            port: Int(conflict.frontend.port.number), protocol: "\(conflict.frontend.proto)",
            heldBy: "\(conflict.heldBy)")
    }
}

extension CompileReport.Problem {
    fileprivate init(_ problem: StateProblem) {
        self.init(
            kind: "\(problem.kind)", file: problem.origin, document: problem.document, object: problem.object,
            field: problem.field, message: "\(problem)")
    }
}
