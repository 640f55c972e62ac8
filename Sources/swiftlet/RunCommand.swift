import ArgumentParser
import FoundationEssentials
import SwiftletDaemon
import SystemPackage

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Load the datapath and keep it in step with the Services.",
        discussion: """
            Examples:
              swiftlet run --kube-proxy-replacement=true --manifests ./examples
              swiftlet run --config /etc/swiftlet/config.yaml

            SIGTERM and SIGINT end the process and leave the datapath working; `swiftlet cleanup` removes it.
            """)

    @Option(
        help: ArgumentHelp(
            "true: translate Services. false: observe, and program nothing (default: false).", valueName: "true|false"))
    var kubeProxyReplacement: Bool?

    @Option(help: ArgumentHelp("Directory of Kubernetes manifests to serve; may be repeated.", valueName: "dir"))
    var manifests: [String] = []

    @Option(
        name: [.customLong("hostname-override"), .customLong("node-name")],
        help: ArgumentHelp("Name of this node in the manifests (default: the host's name).", valueName: "name"))
    var nodeName: String?

    @Option(help: ArgumentHelp("cgroup2 directory whose processes are served (default: the root).", valueName: "dir"))
    var cgroupRoot: String?

    @Option(
        help: ArgumentHelp(
            "Directory on bpffs for maps and links (default: \(Configuration.defaultBPFRoot)).", valueName: "dir"))
    var bpfRoot: String?

    @Option(
        help: ArgumentHelp(
            "Addresses that serve NodePorts: primary, all, or CIDRs separated by commas (default: primary).",
            valueName: "which"))
    var nodeportAddresses: String?

    @Option(
        help: ArgumentHelp(
            "Refuse listeners on a NodePort of ours with EADDRINUSE (default: true).", valueName: "true|false"))
    var bindProtection: Bool?

    @Option(help: ArgumentHelp("Frontends per IP family that the maps have room for.", valueName: "n"))
    var maxServices: UInt32?

    @Option(help: ArgumentHelp("Backends per IP family that the maps have room for.", valueName: "n"))
    var maxBackends: UInt32?

    @Option(help: ArgumentHelp("Slots per IP family that the maps have room for.", valueName: "n"))
    var maxSlots: UInt32?

    @Option(
        help: ArgumentHelp(
            "Ranges of loadBalancerSourceRanges per IP family that the maps have room for.", valueName: "n"))
    var maxSourceRanges: UInt32?

    @Option(
        help: ArgumentHelp("Count the connections of each backend (default: false).", valueName: "true|false"))
    var metricsPerBackend: Bool?

    @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
    var logLevel: String?

    @Option(help: "text or json (default: text).", transform: Self.logFormat)
    var logFormat: LogFormat?

    @Option(help: ArgumentHelp("YAML file with these settings in camel case; flags win.", valueName: "file"))
    var config: String?

    private static func logFormat(_ text: String) throws -> LogFormat {
        guard let format = LogFormat(rawValue: text) else { throw ValidationError("write text or json, not \(text)") }
        return format
    }

    func run() async throws {
        var settings = Configuration(nodeName: ProcessInfo.processInfo.hostName.lowercased())
        if let config { try settings.apply(file: config) }
        settings.kubeProxyReplacement = kubeProxyReplacement ?? settings.kubeProxyReplacement
        settings.manifests = manifests.isEmpty ? settings.manifests : manifests
        settings.nodeName = nodeName ?? settings.nodeName
        settings.cgroupRoot = cgroupRoot.map { FilePath($0) } ?? settings.cgroupRoot
        settings.bpfRoot = bpfRoot.map { FilePath($0) } ?? settings.bpfRoot
        settings.bindProtection = bindProtection ?? settings.bindProtection
        settings.maxServices = maxServices ?? settings.maxServices
        settings.maxBackends = maxBackends ?? settings.maxBackends
        settings.maxSlots = maxSlots ?? settings.maxSlots
        settings.maxSourceRanges = maxSourceRanges ?? settings.maxSourceRanges
        settings.metricsPerBackend = metricsPerBackend ?? settings.metricsPerBackend
        settings.logFormat = logFormat ?? settings.logFormat
        do {
            if let nodeportAddresses { settings.nodePortAddresses = try .init(setting: nodeportAddresses) }
            if let logLevel { settings.logLevel = try Configuration.logLevel(logLevel) }
        } catch {
            throw ValidationError(error.description)
        }
        guard !settings.manifests.isEmpty else {
            throw ValidationError("nothing to serve: name a directory with --manifests DIR")
        }
        try await Daemon(settings).run()
    }
}
