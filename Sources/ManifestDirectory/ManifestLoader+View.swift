package import KubernetesObjects
import ServiceModel

extension ManifestLoader {
    /// A close look at everything that the directories define.
    ///
    /// - Parameter synthesizes: false where a controller makes the slices, as in a cluster.
    package static func view(of directories: [String], synthesizes: Bool = true) -> ClusterView {
        var view = ClusterView()
        (view.events, view.problems) = load(directories: directories)
        if !synthesizes { view.events.removeAll(where: \.isSynthesized) }
        let parser = ManifestParser(looksClosely: true)
        for root in directories {
            for path in DirectoryScan(trimmedPath(root)).files.keys.sorted() {
                guard case .changed(_, _, let file) = FileReading(of: path, knownHash: nil, parser: parser).outcome
                else { continue }
                for object in file.closeObjects { view.add(object) }
                view.flaws += file.flaws
                view.doubts += file.doubts
            }
        }
        view.sort()
        return view
    }

    /// A close look at a List of an API server. No slices are made from pods: a controller does that there.
    package static func view(ofList json: [UInt8], from origin: String) -> ClusterView {
        var view = ClusterView()
        let file = ManifestParser(looksClosely: true).parse(json, file: origin + ".json")
        var state = ManifestState()
        state.apply(.parsed(file), of: origin)
        let batch = state.commit(isInitial: true)
        view.events = batch.events.filter { !$0.isSynthesized }
        view.hasAllPods = true
        view.problems = batch.problems.map { $0.found(in: origin) }
        for object in file.closeObjects { view.add(object) }
        view.flaws = file.flaws.map { Flaw($0.key, $0.object, $0.problem.found(in: origin)) }
        view.sort()
        return view
    }
}

extension StateProblem {
    /// The same problem, found in no file.
    fileprivate func found(in origin: String) -> StateProblem {
        var problem = self
        (problem.origin, problem.document) = (origin, nil)
        return problem
    }
}

extension ClusterEvent {
    /// A slice that was made here: its name is none that an API server allows.
    fileprivate var isSynthesized: Bool {
        guard case .slice(let slice) = self else { return false }
        return slice.name.name.contains("@")
    }
}
