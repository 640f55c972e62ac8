import BPFLoader
import Glibc
import ServiceModel
package import SystemPackage

/// Removes what swiftlet left in the kernel: links first, so that no program runs on maps that are going.
package struct Cleanup {
    /// What was done and what was left.
    package struct Report: Sendable {
        package var removedLinks: [FilePath] = []
        package var removedMaps: [FilePath] = []
        /// In our directories, but not ours: not touched.
        package var foreign: [FilePath] = []
    }

    private let root: FilePath
    private let runDirectory: RunDirectory

    package init(bpfRoot: FilePath) {
        root = bpfRoot
        runDirectory = RunDirectory(bpfRoot: bpfRoot)
    }

    /// Refuses while a daemon runs: it would put everything back.
    package func run() throws -> Report {
        if let holder = runDirectory.holder ?? RootLock.holder(of: root) {
            throw InstallError(
                .alreadyRuns,
                "cannot clean up \(root): process \(holder) runs swiftlet on it; stop it first (kill \(holder))")
        }
        var removal = PinRemoval()
        for pins in try DatapathPins.versions(at: root) {
            try takeProgramsOffDevices(pins.devices)
            try removal.remove(pins)
        }
        try removal.removeDirectory(root)
        runDirectory.remove()
        return removal.report
    }

    /// In this network namespace; links that are pinned for another one go with their pins.
    private func takeProgramsOffDevices(_ directory: FilePath) throws {
        guard try !DirectoryListing.names(in: directory).isEmpty else { return }
        try DeviceAttachments(directory: directory, features: try KernelFeatures.probe(), prefix: "swl_").detachAll()
    }
}
