import ArgumentParser
import FoundationEssentials
import NetworkLab
import Settings
import SwiftletDaemon
import SystemPackage

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Load the datapath and keep it in step with the Services.",
        discussion: """
            Examples:
              swiftlet run --kube-proxy-replacement=true --manifests ./examples
              swiftlet run --kube-proxy-replacement=true --kubeconfig /etc/kubernetes/kubelet.conf
              swiftlet run --config /etc/swiftlet/config.yaml

            SIGTERM and SIGINT end the process and leave the datapath working; `swiftlet cleanup` removes it.
            The command line and the configuration file of a kube-proxy are understood; flags win over the file.
            """)

    @Option(
        help: ArgumentHelp("YAML file of settings: swiftlet's own, or a KubeProxyConfiguration.", valueName: "file"),
        completion: .file())
    var config: String?

    @OptionGroup(title: "Services")
    var source: SourceOptions

    @OptionGroup(title: "Datapath")
    var datapath: DatapathOptions

    @OptionGroup(title: "Time-outs of flows")
    var timeouts: TimeoutOptions

    @OptionGroup(title: "Names by DNS")
    var names: NameOptions

    @OptionGroup(title: "Observation")
    var observation: ObservationOptions

    @OptionGroup(title: "kube-proxy's, for the node")
    var node: NodeOptions

    @OptionGroup(title: "kube-proxy's, for the process")
    var process: KubeProxyOptions

    @OptionGroup(title: "Instead of running")
    var instead: InsteadOptions

    @OptionGroup(title: "Accepted, without effect")
    var withoutEffect: WithoutEffectOptions

    /// What is done once, in place of a daemon's life.
    struct InsteadOptions: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Program the first complete list, attach, and exit; the datapath serves on. Without an answer of an API "
                    + "server it ends after 30 s with what was known before.", valueName: "true|false"),
            completion: .truth)
        var initOnly: Bool?

        @Option(
            help: ArgumentHelp("Do what `swiftlet cleanup` does, and exit.", valueName: "true|false"),
            completion: .truth)
        var cleanup: Bool?

        @Option(
            help: ArgumentHelp(
                "Write the settings in force as a file that --config reads, and exit.", valueName: "file"),
            completion: .file())
        var writeConfigTo: String?
    }

    func run() throws {
        let settings = try effectiveSettings()
        if let file = instead.writeConfigTo { return try settings.write(to: FilePath(file)) }
        if instead.cleanup == true { return try CleanupCommand.run(bpfRoot: settings.bpfRoot) }
        do {
            _ = try settings.source()
        } catch {
            throw ValidationError(error.description)
        }
        let progress: @Sendable (String?) -> Void = { step in
            if let step { ProgressLine.show(step) } else { ProgressLine.clear() }
        }
        let source = ConfigurationSource(initial: settings) { [self] in try effectiveSettings() }
        let daemon = try Daemon(settings, source: source, progress: progress).settled()
        try waiting { try await daemon.run() }
    }

    private func effectiveSettings() throws -> Configuration {
        var settings = Configuration(nodeName: ProcessInfo.processInfo.hostName.lowercased())
        if let config { try settings.apply(ConfigurationLayer(file: config)) }
        var layer = ConfigurationLayer()
        source.fill(&layer)
        try datapath.fill(&layer)
        timeouts.fill(&layer)
        try names.fill(&layer)
        try node.fill(&layer)
        process.fill(&layer)
        // After --v, which a --log-level outdoes.
        observation.fill(&layer)
        layer.withoutEffect += withoutEffect.flags
        do {
            try settings.apply(layer)
            try settings.check()
        } catch {
            throw ValidationError(error.description)
        }
        settings.initOnly = instead.initOnly ?? false
        return settings
    }
}
