import ArgumentParser
import DatapathInstall
import ServiceModel

/// The child process of `status`: joins a cgroup and asks a hook. Exit code 0: effective, 4: ineffective.
struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "probe-hook", shouldDisplay: false)

    @Option var cgroup: String
    @Option var address: String

    func run() throws {
        guard let vip = IPAddress(address) else { throw ValidationError("\(address) is not an IP address") }
        let outcome = try HookProbe.connect(in: cgroup, to: vip)
        guard outcome == .effective else { throw ExitCode(4) }
    }
}
