import BPFLoader
import Glibc
import ServiceMaps
public import SystemPackage

/// Removes what swiftlet left in the kernel: links first, so that no program runs on maps that are going.
public struct Cleanup {
    /// What was done and what was left.
    public struct Report: Sendable {
        public var removedLinks: [FilePath] = []
        public var removedMaps: [FilePath] = []
        /// In our directories, but not ours: not touched.
        public var foreign: [FilePath] = []
    }

    private let root: FilePath
    private let runDirectory: RunDirectory

    public init(bpfRoot: FilePath) {
        root = bpfRoot
        runDirectory = RunDirectory(bpfRoot: bpfRoot)
    }

    /// Refuses while a daemon runs: it would put everything back.
    public func run() throws -> Report {
        if let holder = runDirectory.holder {
            throw ConfigurationError(
                "cannot clean up \(root): process \(holder) runs swiftlet on it; stop it first (kill \(holder))")
        }
        var report = Report()
        for version in try entries(of: root) where isVersion(version) {
            let directory = root.appending(version)
            try takeProgramsOffDevices(directory.appending("devices"))
            report.removedLinks += try remove(Self.linkNames, from: directory.appending("links"), &report.foreign)
            report.removedMaps += try remove(Self.mapNames, from: directory.appending("maps"), &report.foreign)
            try removeDirectory(directory, &report.foreign)
        }
        try removeDirectory(root, &report.foreign)
        runDirectory.remove()
        return report
    }

    /// In this network namespace; links that are pinned for another one go with their pins.
    private func takeProgramsOffDevices(_ directory: FilePath) throws {
        guard try !entries(of: directory).isEmpty else {
            _ = directory.withPlatformString { rmdir($0) }
            return
        }
        try DeviceAttachments(directory: directory, features: try KernelFeatures.probe(), prefix: "swl_").detachAll()
    }

    private static let linkNames = Set(CgroupAttachType.allCases.map { "\($0)" })
    private static let mapNames = Set(ServiceMap.allCases.map(\.rawValue))

    private func isVersion(_ name: String) -> Bool {
        name.hasPrefix("v") && !name.dropFirst().isEmpty && name.dropFirst().allSatisfy(\.isNumber)
    }

    private func remove(
        _ names: Set<String>, from directory: FilePath, _ foreign: inout [FilePath]
    ) throws -> [FilePath] {
        var removed: [FilePath] = []
        for name in try entries(of: directory) where names.contains(name) {
            let path = directory.appending(name)
            if try unpin(path) { removed.append(path) }
        }
        try removeDirectory(directory, &foreign)
        return removed
    }

    /// Removes an empty directory; what is still in it is not ours.
    private func removeDirectory(_ directory: FilePath, _ foreign: inout [FilePath]) throws(ConfigurationError) {
        let status = directory.withPlatformString { rmdir($0) }
        guard status != 0, errno == ENOTEMPTY || errno == EEXIST else { return }
        foreign += try entries(of: directory).map(directory.appending).filter { path in
            !foreign.contains { $0.starts(with: path) }
        }
    }

    /// What a directory holds; nothing if it is not there.
    private func entries(of directory: FilePath) throws(ConfigurationError) -> [String] {
        guard let stream = directory.withPlatformString({ opendir($0) }) else {
            let cause = Errno(rawValue: errno)
            if cause == .noSuchFileOrDirectory { return [] }
            throw ConfigurationError("cannot read \(directory): \(cause); run as root")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
