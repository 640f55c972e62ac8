import BPFLoader
import DatapathInstall
import Glibc
import ServiceModel
package import SystemPackage

/// What the daemon needs and may not do itself, done by root before it starts: bpffs, and directories of its own.
package struct Preparation: Sendable {
    private let bpfRoot: FilePath
    private let stateDirectory: FilePath?
    private let owner: Owner

    package init(bpfRoot: FilePath, stateDirectory: FilePath?, owner: Owner) {
        self.bpfRoot = bpfRoot
        self.stateDirectory = stateDirectory
        self.owner = owner
    }

    /// Does what is still to be done. Refuses while a daemon runs: it would lose its own pins.
    ///
    /// - Returns: what was changed, as lines for people.
    package func run() throws -> [String] {
        let directory = RunDirectory(bpfRoot: bpfRoot)
        if let holder = directory.holder ?? RootLock.holder(of: bpfRoot) {
            throw DaemonError(
                .alreadyRuns,
                "cannot prepare \(bpfRoot): process \(holder) runs swiftlet on it; stop it first (kill \(holder))")
        }
        var done: [String] = []
        if try BPFFileSystem.provide(for: bpfRoot) { done.append("mounted bpffs") }
        try BPFFileSystem.makeDirectories(bpfRoot.removingLastComponent())
        try directory.createParent()
        var directories: [(FilePath, UInt32)] = [(bpfRoot, 0o700), (directory.path, 0o755)]
        if let stateDirectory { directories.append((stateDirectory, 0o700)) }
        for (path, mode) in directories where try OwnedDirectory(path: path, owner: owner).provide(mode: mode) {
            done.append("\(path) is user \(owner.user)'s")
        }
        return done
    }
}
