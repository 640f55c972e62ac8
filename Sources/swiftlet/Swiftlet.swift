import ArgumentParser
import KubernetesObjects
import ServiceModel
import Settings
import SwiftletDaemon
import SystemCalls

@main
struct Swiftlet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "An eBPF kube-proxy replacement for any Linux node, with or without a cluster.",
        discussion: """
            Examples:
              swiftlet run --kube-proxy-replacement=true --manifests /etc/swiftlet/manifests
              swiftlet status
              swiftlet services my-api
              swiftlet explain 10.96.0.15:80
              swiftlet bench connect
              bpftool map dump pinned /sys/fs/bpf/swiftlet/v\(Version.mapABI)/maps/services4

            Exit codes: 0 good, 1 failed, 2 wrong usage; status: 3 when degraded; explain: 4 when a
            connection would not arrive; diff: 1 when something would change. `swiftlet help reasons`, `errors`,
            `counters`, `logs` and `settings` print what these are, `swiftlet help reasons CODE` one reason.
            """,
        version: "swiftlet \(Version.swiftlet)",
        subcommands: [
            RunCommand.self, StatusCommand.self, ServicesCommand.self, ExplainCommand.self, MonitorCommand.self,
            TopCommand.self, CompileCommand.self, DiffCommand.self, FlowsCommand.self, SocketsCommand.self,
            AffinityCommand.self, MapsCommand.self, BenchCommand.self, TakeoverCommand.self, PrepareCommand.self,
            CleanupCommand.self, DebugInfoCommand.self, NamespacesCommand.self, CompletionCommand.self,
            VersionCommand.self, ProbeCommand.self,
            ProbeFrontendsCommand.self,
        ])

    /// ArgumentParser's own code for wrong usage is 64; here it is 2.
    ///
    /// Not asynchronous, so that a command begins in the only thread of the process: `run` gives up rights there.
    static func main() {
        Heap.keepSmall()
        NameLookup.useNoModules()
        do {
            if let text = try reference(Array(CommandLine.arguments.dropFirst())) { return print(text) }
            var command = try parseAsRoot(
                KubeProxyArguments.normalized(Aliases.rewritten(Array(CommandLine.arguments.dropFirst()))))
            try command.run()
            try Terminal.finish()
        } catch {
            let code = exitCode(for: error)
            let isUsage = code == .validationFailure
            if error is ExitCode || isUsage || code == .success {
                guard isUsage else { exit(withError: error) }
                Terminal.write(error: "\(message(for: error))\n  \(FailureCode.wrongUsage.advice)")
                exit(withError: ExitCode(2))
            }
            Terminal.write(failure: error)
            exit(withError: ExitCode.failure)
        }
    }

    /// What `swiftlet help WORD` prints where the word is no command.
    private static func reference(_ arguments: [String]) throws -> String? {
        guard arguments.first == "help" else { return nil }
        if arguments.count == 3, let catalogue = Catalogue(rawValue: arguments[1]) {
            return try catalogue.text(of: arguments[2])
        }
        if arguments.count == 3, let reference = Reference(rawValue: arguments[1]) {
            let text = reference.text(width: Terminal.width ?? 100, of: arguments[2])
            if !text.isEmpty { return text }
            throw ValidationError(
                "help \(arguments[1]) says nothing of \(arguments[2]); `swiftlet help \(arguments[1])` prints it all")
        }
        guard arguments.count == 2 else { return nil }
        if let catalogue = Catalogue(rawValue: arguments[1]) { return catalogue.text }
        if let reference = Reference(rawValue: arguments[1]) { return reference.text(width: Terminal.width ?? 100) }
        let commands = configuration.subcommands.compactMap { $0.configuration.commandName }
        // ArgumentParser prints its help of everything for a word that it does not know.
        guard (commands + ["help"]).contains(arguments[1]) || arguments[1].hasPrefix("-") else {
            let topics = Catalogue.allCases.map(\.rawValue) + Reference.allCases.map(\.rawValue)
            let near = (commands + topics).nearest(to: arguments[1]).map { "did you mean \($0)?" }
            let list = "the topics are \(topics.joined(separator: ", ")), and each command"
            throw ValidationError("there is no help of \(arguments[1]); \(near ?? list)")
        }
        return nil
    }
}
