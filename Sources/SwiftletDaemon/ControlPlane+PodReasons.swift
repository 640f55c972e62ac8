import KubernetesObjects
import ManifestDirectory
import Reporting
import ServiceModel
import Settings

/// What only pods tell of service ports without endpoints. Manifests may define pods; in a cluster they are looked at on
/// demand, and not here.
extension ControlPlane {
    private static var pause: Duration { .seconds(5) }

    /// Looks at the manifests' pods before something is said of Services, where slices tell of one only that there are no
    /// endpoints, or none that is ready. Nothing need have changed but a pod: every few seconds it looks again.
    nonisolated func lookAtPods() async {
        guard let (directories, node, state, names) = await podQuestion else { return }
        var view = ManifestLoader.view(of: directories)
        view.events = state.events
        let explainer = Explainer(view: view, node: node)
        var reasons: [ServicePortName: Reason] = [:]
        for name in names { reasons.merge(explainer.emptiness(of: name)) { first, _ in first } }
        await note(reasons)
    }

    /// Nil where there is nothing to look at now.
    private var podQuestion:
        (directories: [String], node: NodeConfiguration, state: ClusterState, services: [ObjectName])?
    {
        guard !configuration.manifests.isEmpty else { return nil }
        let open = compiler.desired.services.values.filter { service in
            service.ports.contains { $0.emptyReason?.mayBeOfPods == true }
        }
        guard !open.isEmpty else {
            podReasons = [:]
            return nil
        }
        if let podsSeen, podsSeen.revision == revision, .now - podsSeen.at < Self.pause { return nil }
        podsSeen = (revision, .now)
        return (configuration.manifests, node, state, open.map(\.name))
    }

    /// `serviceReports` with what pods tell.
    nonisolated func completeServiceReports() async -> [ServiceReport] {
        await lookAtPods()
        return await serviceReports()
    }

    private func note(_ reasons: [ServicePortName: Reason]) { podReasons = reasons }
}

extension EmptyReason {
    /// It says only that nothing is there, or is ready.
    fileprivate var mayBeOfPods: Bool {
        switch self {
        case .noSlice, .selectorMatchesNothing, .noEndpoints, .notReady: true
        case .otherFamily, .noMatchingPort, .notOnThisNode: false
        }
    }
}
