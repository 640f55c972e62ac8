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
        return (batch.events, batch.problems + directories.compactMap(doubt(aboutDirectory:)))
    }

    /// That nothing in a directory is read.
    private static func doubt(aboutDirectory path: String) -> StateProblem? {
        let path = trimmedPath(path)
        let scan = DirectoryScan(path)
        guard scan.files.isEmpty, scan.doubts.isEmpty, scan.unreadable.isEmpty, PathKind(path).isDirectory else {
            return nil
        }
        return StateProblem(
            .doubtful, origin: path, cause: "no file below it ends in .yaml, .yml or .json, and others are not read",
            advice: "let a manifest's name end so, or name another directory"
        ).hiding(.anything)
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
