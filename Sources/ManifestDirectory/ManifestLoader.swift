package import KubernetesObjects
package import ServiceModel

/// Reads manifest directories once, for tools that need no changes.
package enum ManifestLoader {
    /// Everything that the directories define, and what is wrong in them. A directory that is not there is a
    /// problem like any other.
    ///
    /// - Parameter nodePorts: a NodePort outside this range is told of.
    package static func load(
        directories: [String], nodePorts: ClosedRange<Int> = Service.usualNodePorts
    ) -> (events: [ClusterEvent], problems: [StateProblem]) {
        var tree = ManifestTree(roots: directories, nodePorts: nodePorts)
        let batch = tree.load()
        return (batch.events, batch.problems)
    }

    /// What one text defines, read as YAML or, if the name ends in `.json`, as JSON.
    package static func load(
        text: String, named name: String = "manifest.yaml"
    ) -> (events: [ClusterEvent], problems: [StateProblem]) {
        var state = ManifestState()
        state.apply(.parsed(ManifestParser().parse(Array(text.utf8), file: name)), of: name)
        let batch = state.commit(isInitial: true)
        return (batch.events, batch.problems)
    }
}
