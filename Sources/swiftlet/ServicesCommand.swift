import ArgumentParser
import DatapathInstall
import FoundationEssentials
import Glibc
import NetworkLab
import Reporting
import ServiceMaps
import ServiceModel
import SwiftletDaemon

struct ServicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "services",
        abstract: "Show the Services: where they are served, by whom, and why not.",
        discussion: """
            Frontends, backends and counts are read from the maps. Without a running daemon the Services that are not
            programmed, and the reasons, are unknown.

            Examples:
              swiftlet services
              swiftlet services my-api
              swiftlet services kube-system/kube-dns:dns
              swiftlet services 10.96.0.15:80
              swiftlet services -n prod --broken
              swiftlet services --watch
              swiftlet services -o json
            """)

    @Argument(
        help: ArgumentHelp("[NAMESPACE/]NAME[:PORT], or ADDRESS[:PORT]; several may be named.", valueName: "name"),
        completion: .services)
    var names: [String] = []

    @Option(name: .shortAndLong, help: ArgumentHelp("Only Services of this namespace.", valueName: "namespace"))
    var namespace: String?

    @Flag(name: [.customShort("A"), .long], help: "Services of all namespaces, which is the default.")
    var allNamespaces = false

    @Flag(help: "Only service ports without a backend, and Services with a problem.")
    var broken = false

    @Flag(
        name: .shortAndLong,
        help: "Then print what changes, until interrupted; what is counted is no change. With -o json an event a line.")
    var watch = false

    @OptionGroup var pins: PinOptions
    @OptionGroup var format: OutputOptions

    func run() throws {
        try pins.requireDatapath()
        let (listing, isExplained, emptiness) = try look()
        if let emptiness {
            guard watch else { throw CommandError(.notFound, emptiness) }
            Terminal.write(error: emptiness)
        }
        if watch { return try follow(listing) }
        try show(listing)
        if !isExplained { Terminal.write(error: "no daemon answers: types and reasons are unknown") }
    }

    /// - Returns: what is selected, whether a daemon has explained it, and a word on a namespace in which nothing is.
    private func look() throws -> (ServiceListing, isExplained: Bool, emptiness: String?) {
        let reports = ControlClient.ask(.services, at: pins.runDirectory)
            .flatMap { try? ReportCoding.decoder().decode([ServiceReport].self, from: $0) }
        let programmed = try ProgrammedState.read(from: BPFMapStore(pins: pins.pins))
        let listing = ServiceListing(programmed: programmed, reports: reports)
        let selection = ServiceSelection(words: names, namespace: allNamespaces ? nil : namespace, broken: broken)
        var chosen = try selection.apply(to: listing)
        // A list of all asks the API server nothing.
        if reports != nil, !names.isEmpty { PodReasons(pins: pins).complete(&chosen) }
        return (chosen, reports != nil, selection.emptyNamespace(in: listing))
    }

    private func show(_ listing: ServiceListing) throws {
        switch format.output {
        case .json, .yaml: try format.printData(listing)
        case .name: for service in listing.services { print(service.title) }
        case .table where !names.isEmpty, .wide where !names.isEmpty:
            for service in listing.services {
                let explainer = try? ClusterLook.explainer(of: service, pins: pins)
                print(service.description + endpoints(of: service, explainer))
            }
        case .table, .wide:
            format.printTable(ServiceTable(listing.services, isWide: format.output == .wide).table)
        }
    }

    /// Prints what is there, and then what changes. Looking takes a fifth of the time at most.
    private func follow(_ first: ServiceListing) throws {
        let caught = Interruption.catchSignals()
        var printer = ServiceWatchPrinter(format: format.output, width: Terminal.width)
        try printer.print(ServiceChange.between([], first.services))
        var known = first.services
        while !Interruption.isRequested && Terminal.hasReader {
            let begin = ContinuousClock.now
            // While a daemon is replaced by another one, or a Service that was named is away.
            if let (listing, isExplained, _) = try? look(), isExplained {
                try printer.print(ServiceChange.between(known, listing.services))
                known = listing.services
            } else if !names.isEmpty, ControlClient.ask(.status, at: pins.runDirectory) != nil {
                try printer.print(ServiceChange.between(known, []))
                known = []
            }
            let spent = ContinuousClock.now - begin
            usleep(UInt32(clamping: max(1_000_000, spent.components.seconds * 4_000_000)))
        }
        _ = consume caught
    }

    /// Every endpoint of its slices, used or not; empty where they cannot be looked at.
    private func endpoints(of service: ServiceListing.Item, _ explainer: Explainer?) -> String {
        let name = ObjectName(namespace: service.namespace, name: service.name)
        let groups = explainer?.endpoints(of: name) ?? []
        return groups.map { group in
            "\n\n  endpoints of \(group.port)\n"
                + Explanation.Endpoint.rows(group.endpoints).map { "    \($0)" }.joined(separator: "\n")
        }.joined()
    }
}

extension ServiceListing.Frontend {
    /// `10.96.0.15:80/TCP`, an IPv6 address in brackets.
    var endpoint: String { "\(hostText(address)):\(port)/\(`protocol`)" }
}

extension ServiceListing.Backend {
    /// `10.244.0.11:8080`, with its state unless it is simply active.
    var summary: String { "\(hostText(address)):\(port)" + (state == "active" ? "" : "(\(state))") }
}

extension ServiceListing.Connections {
    /// ` (no_endpoints 5, source 3)`, or nothing.
    var reasonsText: String {
        let reasons = refusedByReason.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))"
    }
}

extension ServiceListing.Port {
    var affinityText: String { affinitySeconds == 0 ? "-" : "ClientIP \(affinitySeconds)s" }
}

extension String? {
    /// `; see docs/troubleshoot.md#notReady`, or nothing.
    var seeAlso: String { map { "; see \($0)" } ?? "" }
}

extension ServiceListing.Item {
    /// External and internal policy in a word each.
    var policyText: String {
        guard let externalTrafficPolicy, let internalTrafficPolicy else { return "-" }
        return "\(externalTrafficPolicy)/\(internalTrafficPolicy)"
    }

    /// One Service in full.
    var description: String {
        var lines = ["\(Terminal.styled("\(namespace)/\(name)", .bold))  \(type)"]
        if let leftAlone { lines.append("  not programmed: \(leftAlone)\(docs.seeAlso)") }
        if externalTrafficPolicy != nil { lines.append("  traffic policy (external/internal): \(policyText)") }
        for problem in problems { lines.append("  \(Terminal.styled("problem", .warning)): \(problem)") }
        for port in ports {
            lines.append("")
            lines.append("  port \(port.name.isEmpty ? "(unnamed)" : port.name) \(port.protocol), IPv\(port.family)")
            lines.append("    affinity:  \(port.affinityText)")
            lines.append(
                "    counted:   \(port.connections.forwarded) connections, \(port.connections.refused) refused"
                    + port.connections.reasonsText)
            if let reason = port.reason {
                lines.append("    no backend: \(Terminal.styled(reason, .warning))\(port.docs.seeAlso)")
            }
            if let remark = port.remark { lines.append("    remark:    \(Terminal.styled(remark, .warning))") }
            if port.frontends.contains(where: \.restricted) {
                lines.append(
                    "    sources:   \(port.sourceRanges.isEmpty ? "none" : shortened(port.sourceRanges, most: .max))")
            }
            for frontend in port.frontends {
                lines.append(
                    "    frontend:  \(frontend.endpoint)  \(frontend.kind), \(frontend.action), \(frontend.policy)"
                        + (frontend.scope == "fromNode" ? "" : ", for clients outside the node")
                        + (frontend.restricted ? ", for these sources only" : ""))
            }
            for backend in port.backends {
                let place =
                    (backend.local ? ", on this node" : "") + (backend.zone.isEmpty ? "" : ", zone \(backend.zone)")
                let count = backend.forwarded.map { ", \($0) connections" } ?? ""
                lines.append(
                    "    backend:   \(hostText(backend.address)):\(backend.port)  \(backend.state)\(place)\(count)")
            }
        }
        return lines.joined(separator: "\n")
    }
}
