import ArgumentParser
import KubernetesObjects
import ManifestDirectory
import Reporting
import ServiceModel
import Settings
import SwiftletDaemon

struct CompileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compile",
        abstract: "Show what manifests or a cluster would make of a node, without touching it.",
        discussion: """
            Needs no privileges and reads nothing of this machine but the manifests, or the kubeconfig of a cluster, which is
            listed once. What cannot be used in them is part of the result, and on standard error; the exit code is 0 all
            the same, but for a directory that cannot be read. With --strict it is 1 when anything is refused or ignored.

            Examples:
              swiftlet compile --manifests ./examples --node demo-node
              swiftlet compile --manifests ./examples --node demo-node -o json
              swiftlet compile --manifests ./examples --node demo-node --strict
              swiftlet compile --kubeconfig ~/.kube/config --node worker-3
              swiftlet compile --manifests ./examples --node other --node-address 192.0.2.7 --nodeport-addresses all
            """)

    @Option(
        help: ArgumentHelp("Directory of Kubernetes manifests; may be repeated.", valueName: "dir"),
        completion: .directory)
    var manifests: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(help: ArgumentHelp("Name of the node to compile for.", valueName: "name"))
    var node: String

    @Option(
        help: ArgumentHelp(
            "Address that a device of the node has; may be repeated (default: those of the Node object).",
            valueName: "ip"),
        transform: IPAddress.init(setting:))
    var nodeAddress: [IPAddress] = []

    @OptionGroup(title: "As for run")
    var nodeOptions: NodeOptions

    @Flag(
        help: """
            Fail when anything was refused, left out or ignored: objects, parts and fields of them, conflicts, and Services \
            that nothing gives a ClusterIP.
            """)
    var strict = false

    @Option(name: .shortAndLong, help: "How to print.")
    var output: ReportFormat = .table

    func validate() throws {
        if node.isEmpty { throw ValidationError("name the node to compile for: --node NAME") }
    }

    func run() throws {
        let configuration = try configuration()
        var settings = CompileSettings(nodeName: node)
        settings.node = configuration.node
        settings.nodeAddresses = nodeAddress
        let (events, problems) = try waiting { try await configuration.listOnce() }
        let directories = configuration.manifests
        let report = CompileReport(
            events: events, problems: problems, settings: settings,
            pods: directories.isEmpty ? nil : { ManifestLoader.view(of: directories) })
        switch output {
        case .table: print(report.text)
        case .json: print(try report.json())
        }
        warn(of: report)
        let isUnread = problems.contains { $0.kind == .unreadable && manifests.contains($0.origin) }
        if isUnread || strict && report.isFlawed { throw ExitCode.failure }
    }

    /// The flags mean what they mean for `run`.
    private func configuration() throws -> Configuration {
        var configuration = Configuration(nodeName: node)
        var layer = ConfigurationLayer()
        try nodeOptions.fill(&layer)
        layer.set(\.manifests, manifests.isEmpty ? nil : manifests)
        cluster.fill(&layer)
        do {
            try configuration.apply(layer)
            try configuration.check()
            _ = try configuration.source()
        } catch {
            throw ValidationError(error.description)
        }
        return configuration
    }

    private func warn(of report: CompileReport) {
        if report.node.primaryAddresses.isEmpty {
            Terminal.write(error: "nothing defines Node \(node) with an address; name one with --node-address")
        }
        for problem in report.problems { Terminal.write(error: problem.message) }
        for conflict in report.conflicts { Terminal.write(error: conflict.text) }
    }
}
