import ArgumentParser
import DatapathInstall
import FoundationEssentials
import KubernetesObjects
import ManifestDirectory
import NodeNetwork
import Reporting
import ServiceMaps
import ServiceModel
import Settings
import SwiftletDaemon

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show what new manifests would change: frontends, endpoints, map writes, open connections.",
        discussion: """
            Compares with the maps of this node, and touches nothing. Where the daemon reads manifests, the new ones stand
            for all of them; where it follows a cluster, for the Services that they define. There the endpoints are the
            cluster's unless they bring their own, and so is what the API server has allocated. With --against it compares two directories, and needs no daemon.

            Exit code 0: nothing would change; 1: something would; 2: it cannot be told, or not of all: something cannot be read,
            parsed or used, which stays as it is.

            Examples:
              swiftlet diff --manifests ./new
              swiftlet diff --manifests ./new -o json
              swiftlet diff --manifests ./new --against ./examples --node demo-node
            """)

    @Option(
        help: ArgumentHelp("Directory of the new manifests; may be repeated.", valueName: "dir"), completion: .directory
    )
    var manifests: [String] = []

    @Option(
        help: ArgumentHelp("Compare with these manifests, not with the maps; may be repeated.", valueName: "dir"),
        completion: .directory)
    var against: [String] = []

    @Option(help: ArgumentHelp("With --against: name of the node to compile for.", valueName: "name"))
    var node: String?

    @Option(
        help: ArgumentHelp("With --against: an address of the node; may be repeated.", valueName: "ip"),
        transform: IPAddress.init(setting:))
    var nodeAddress: [IPAddress] = []

    @OptionGroup var pins: PinOptions

    @Option(name: .shortAndLong, help: "How to print.")
    var output: ReportFormat = .table

    func validate() throws {
        if manifests.isEmpty { throw ValidationError("name the new manifests: --manifests DIR") }
        if against.isEmpty != (node == nil) { throw ValidationError("--against and --node go together") }
    }

    func run() throws {
        let report: ChangeReport
        do {
            report = try against.isEmpty ? comparedWithMaps() : comparedWithManifests()
        } catch {
            Terminal.write(failure: error)
            throw ExitCode(2)
        }
        switch output {
        case .table: print(report.text)
        case .json: try printJSON(report)
        }
        if report.isPartial { throw ExitCode(2) }
        if !report.isEmpty { throw ExitCode.failure }
    }

    private func comparedWithMaps() throws -> ChangeReport {
        try pins.requireDatapath()
        let daemon = try ClusterLook.node(pins)
        var (events, problems) = try load(manifests)
        var notes: [String] = []
        if daemon.manifests.isEmpty { (events, notes) = try completed(events) }
        var draft = try MapDraft(
            pins: pins.pins, node: daemon.configuration,
            addresses: Set((try? NetworkSnapshot.read().usableAddresses) ?? []))
        let memory = try memory()
        problems.removeAll { !$0.isRefusal }
        var report = try draft.report(of: events, problems: problems, isWhole: !daemon.manifests.isEmpty)
            .noting(memory, OpenSockets(lookingWith: pins.pins))
        report.notes = notes
        return report
    }

    private func memory() throws -> MapMemory {
        let daemon = DaemonReport.ask(pins.pins)
        return MapMemory(
            pins: pins.pins, programmed: try ProgrammedState.read(from: BPFMapStore(pins: pins.pins)),
            timeouts: daemon?.flowTimeouts ?? FlowTimeouts())
    }

    private func comparedWithManifests() throws -> ChangeReport {
        let (old, new) = (try load(against), try load(manifests))
        let settings = NodeSettings(name: node ?? "")
        func configuration(_ events: [ClusterEvent]) -> NodeConfiguration {
            var state = ClusterState(ownNode: settings.name)
            _ = state.apply(events)
            let object = state.node(named: settings.name)
            return NodeConfiguration(
                settings, node: object, localAddresses: nodeAddress.isEmpty ? object?.addresses ?? [] : nodeAddress)
        }
        let (before, after) = (configuration(old.events), configuration(new.events))
        var draft = try MapDraft(events: old.events, node: before, addresses: Set(nodeAddress))
        return try draft.report(
            of: new.events, for: after, problems: new.problems.filter(\.isRefusal), isWhole: true)
    }

    private func load(_ directories: [String]) throws -> (events: [ClusterEvent], problems: [StateProblem]) {
        let loaded = ManifestLoader.load(directories: directories)
        if let missing = loaded.problems.first(where: { $0.kind == .unreadable && directories.contains($0.origin) }) {
            throw CommandError(.unusableManifests, missing.description)
        }
        return loaded
    }

    /// In a cluster the endpoints of a Service come from a controller, its addresses from the API server, and Nodes are not
    /// written by hand.
    ///
    /// - Returns: what the new manifests come to there, and what cannot be told of it.
    private func completed(_ events: [ClusterEvent]) throws -> (events: [ClusterEvent], notes: [String]) {
        var merged: [ClusterEvent.Subject: ClusterEvent] = [:]
        var notes: [String] = []
        let described = Set(events.compactMap(\.sliceOwner))
        var looks: [String: [ClusterEvent]] = [:]
        for event in events {
            guard case .service(let service) = event else {
                merged[event.subject] = event
                continue
            }
            let found = try looks[service.name.namespace] ?? look(around: service.name)
            looks[service.name.namespace] = found
            let stored = found.lazy.compactMap(\.definedService).first { $0.name == service.name }
            let applied = stored.map(service.applied) ?? service
            merged[event.subject] = .service(applied)
            notes += applied.unallocated.map { field in
                "Service \(service.name): the API server fills in \(field), and what that leads to is not shown"
            }
            if let stored, stored.selector != service.selector, !described.contains(service.name) {
                notes.append(
                    "Service \(service.name): spec.selector is another, and the endpoints shown are those of now")
            }
            if described.contains(service.name) { continue }
            for event in found where event.sliceOwner == service.name { merged[event.subject] = event }
        }
        return (Array(merged.values), notes.sorted())
    }

    /// All Services of the cluster, and all slices of the namespace.
    private func look(around service: ObjectName) throws -> [ClusterEvent] {
        try ClusterLook.view(path: "\(service)", pins: pins).events
    }
}

extension ClusterEvent {
    /// The Service that a slice is of.
    fileprivate var sliceOwner: ObjectName? {
        guard case .slice(let slice) = self else { return nil }
        return ObjectName(namespace: slice.name.namespace, name: slice.serviceName)
    }

    fileprivate var definedService: Service? { if case .service(let service) = self { service } else { nil } }
}
