import ArgumentParser
import DatapathInstall
import Glibc
import Settings
import SwiftletDaemon
import Synchronization
import SystemPackage

/// `swiftlet run` as another build of it would be: with another version of the map layout, or ended at a chosen step on
/// the way from one version to another.
struct OtherBuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "other-build",
        abstract: "Run the daemon with other programs, or end it by SIGKILL at a step from one map layout to another.")

    @Option(help: "Directory of manifests.")
    var manifests: String

    @Option(help: "The cgroup to attach to.")
    var cgroupRoot: String

    @Option(help: "Directory on bpffs.")
    var bpfRoot: String

    @Option(help: "The node's name.")
    var nodeName: String

    @Option(help: "Directory with sock.bpf.o and tc.bpf.o of another version; without it, this build's own.")
    var objects: String?

    @Option(help: "SIGKILL this process after so many steps from one version to another.")
    var killAfter: Int?

    @Option(help: "Write the steps to this file, one a line.")
    var steps: String?

    @OptionGroup var options: OtherBuildOptions

    func run() async throws {
        var settings = Configuration(nodeName: nodeName)
        settings.kubeProxyReplacement = true
        settings.manifests = [manifests]
        settings.cgroupRoot = FilePath(cgroupRoot)
        settings.bpfRoot = FilePath(bpfRoot)
        settings.stateDirectory = nil
        (settings.healthzAddress, settings.metricsAddress) = (nil, nil)
        try settings.apply(options.layer)
        let build = try objects.map { directory in
            try DatapathBuild(
                sockets: bytes(of: "\(directory)/sock.bpf.o"), packets: bytes(of: "\(directory)/tc.bpf.o"))
        }
        let taken = Mutex(0)
        let file = steps.map { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) }
        try await Daemon(settings, build: build ?? .own) { [killAfter] step in
            if let file { _ = "\(step)\n".withCString { write(file, $0, strlen($0)) } }
            let number = taken.withLock { count in
                count += 1
                return count
            }
            if number == killAfter { kill(getpid(), SIGKILL) }
        }.run()
    }

    private func bytes(of path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw ValidationError("cannot open \(path): \(Errno(rawValue: errno))") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(file, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
        return bytes
    }
}
