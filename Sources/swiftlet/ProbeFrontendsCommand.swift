import ArgumentParser
import SwiftletDaemon
import DatapathInstall

/// The child process of `takeover`: joins a cgroup, connects to each frontend, and prints a line for each.
struct ProbeFrontendsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "probe-frontends", shouldDisplay: false)

    @Option var cgroup: String
    @Argument var targets: [String]

    func run() throws {
        let targets = try targets.map { text in
            guard let target = FrontendProbe.Target(text) else {
                throw ValidationError("\(text) is not PROTOCOL/ADDRESS/PORT")
            }
            return target
        }
        try HookProbe.join(cgroup)
        for target in targets { print(FrontendProbe.connect(to: target)) }
    }
}
