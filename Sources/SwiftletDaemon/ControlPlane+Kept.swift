import KubernetesObjects
import ServiceMaps
package import ServiceModel
import Settings

/// Services that are served as they were, since what may define them now cannot be used.
extension ControlPlane {
    /// All of them, with what cannot be used: `web.yaml cannot be parsed`.
    var keptServices: [ObjectName: String] {
        var kept = configuration.manifests.isEmpty ? keptByCluster : keptByManifests
        kept = kept.filter { state.service(named: $0.key) != nil }
        for name in keptInMaps { kept[name] = cause(of: name) }
        return kept
    }

    /// Those of before the start that stay because it is not known whether they are wanted.
    var keptInMaps: [ObjectName] { hasCompleteList ? writer?.unconfirmedServices ?? [] : [] }

    /// What is wanted, without the Services that are served as the maps have them, whatever their objects seem to say.
    var certain: DesiredState {
        var desired = compiler.desired
        for name in keptInMaps { desired.services[name] = nil }
        return desired
    }

    /// Services whose objects an API server has changed to what is refused.
    private var keptByCluster: [ObjectName: String] {
        let pairs = problems.compactMap { problem -> (ObjectName, String)? in
            guard let service = problem.hides.service else { return nil }
            switch problem.hides {
            case .slice(let slice, _) where !state.slices(of: service).contains { $0.name == slice }: return nil
            default: return (service, problem.shortStatement)
            }
        }
        return Dictionary(pairs, uniquingKeysWith: min)
    }

    /// What may define a Service that only the maps have.
    private func cause(of name: ObjectName) -> String {
        let own = problems.filter { $0.hides.service == name }
        let likely = own.isEmpty ? problems.suspects(for: name.name) : Array(own)
        let isNamed = !own.isEmpty || likely.contains { $0.names != nil }
        let refused = likely.isEmpty ? problems.filter { $0.hides == .anything } : likely
        let statements = Set(refused.map(\.shortStatement)).sorted()
        guard let first = statements.first else { return "what may define it cannot be used" }
        if statements.count == 1 { return first }
        if !isNamed { return refused.countStatement }
        return "\(first); \(statements.count - 1) more such problems are in `swiftlet status`"
    }

    /// A line for each cause, with the first few Services.
    var keptLines: [String] {
        Dictionary(grouping: keptServices, by: \.value).sorted { $0.key < $1.key }.map { cause, services in
            let names = services.map(\.key).sorted()
            let rest = names.count > 3 ? " and \(names.count - 3) more" : ""
            let verb = names.count == 1 ? "is" : "are"
            return "\(names.prefix(3).map(\.description).joined(separator: ", "))\(rest) \(verb) \(Reason.kept(cause))"
        }
    }
}

/// What a daemon serves of what an explanation asks about, beside what the objects say now.
package struct ServedReport: Codable, Sendable {
    package struct Name: Codable, Sendable {
        package var namespace: String
        package var name: String

        init(_ name: ObjectName) { (namespace, self.name) = (name.namespace, name.name) }

        package var object: ObjectName { ObjectName(namespace: namespace, name: name) }
    }

    package struct Kept: Codable, Sendable {
        package var service: Name
        package var cause: String
        /// How it is served only the maps say.
        package var isInMaps: Bool
    }

    /// Every Service and Node, and the slices of `subjects`, as `ObjectLines` has them.
    package var objects: String
    package var subjects: [Name]
    package var kept: [Kept]
}

extension ControlPlane {
    /// Nil before anything is known.
    ///
    /// - Parameter text: `NAMESPACE/NAME`, `*/NAME` or an address, as `subject(of:)` takes it.
    nonisolated func served(_ text: String) async -> ServedReport? {
        guard let (state, subjects, kept) = await snapshot(of: text) else { return nil }
        let services = state.serviceNames.compactMap { state.service(named: $0).map(ClusterEvent.service) }
        let nodes = state.nodeNames.compactMap { state.node(named: $0).map(ClusterEvent.node) }
        let slices = subjects.flatMap { state.slices(of: $0).map(ClusterEvent.slice) }
        return ServedReport(
            objects: ObjectLines.text(of: services + nodes + slices), subjects: subjects.map(ServedReport.Name.init),
            kept: kept)
    }

    private func snapshot(
        of text: String
    ) -> (state: ClusterState, subjects: [ObjectName], kept: [ServedReport.Kept])? {
        // Before a complete list only the maps know what they have.
        let early = hasCompleteList ? [] : writer?.unconfirmedServices ?? []
        if knowsNothing && early.isEmpty { return nil }
        let inMaps = Set(keptInMaps + early)
        var causes = keptServices
        for name in early { causes[name] = "no complete list has come yet" }
        let kept = causes.sorted { $0.key < $1.key }.map { name, cause in
            ServedReport.Kept(service: .init(name), cause: cause, isInMaps: inMaps.contains(name))
        }
        return (state, subjects(of: text), kept)
    }
}
