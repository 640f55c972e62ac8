import ArgumentParser
import DatapathInstall
import FoundationEssentials
import Reporting
import ServiceMaps
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
              swiftlet services kube-system/kube-dns
              swiftlet services -o json
            """)

    @Argument(help: ArgumentHelp("One Service: NAME, or NAMESPACE/NAME.", valueName: "name"))
    var name: String?

    @OptionGroup var pins: PinOptions
    @OptionGroup var format: OutputOptions

    func run() throws {
        try pins.requireDatapath()
        let reports = ControlClient.ask(.services, at: pins.runDirectory)
            .flatMap { try? ReportCoding.decoder().decode([ServiceReport].self, from: $0) }
        let programmed = try ProgrammedState.read(from: BPFMapStore(pins: pins.pins))
        var listing = ServiceListing(programmed: programmed, reports: reports)
        if let name {
            listing.services = listing.services.filter { $0.name == name || "\($0.namespace)/\($0.name)" == name }
            guard !listing.services.isEmpty else {
                throw CommandError("no Service \(name) is known; `swiftlet services` lists them")
            }
        }
        if format.output == .json { return try printJSON(listing) }
        if name != nil {
            for service in listing.services { print(service.description) }
        } else {
            print(table(of: listing))
        }
        if reports == nil {
            Terminal.write(error: "no daemon answers: types and reasons are unknown")
        }
    }

    private func table(of listing: ServiceListing) -> String {
        let isWide = format.output == .wide
        var table =
            isWide
            ? Table("SERVICE", "TYPE", "FRONTENDS", "BACKENDS", "AFFINITY", "POLICY", "CONNECTS", "REFUSED", "REASON")
            : Table("SERVICE", "TYPE", "FRONTENDS", "BACKENDS", "CONNECTS", "REASON")
        for service in listing.services {
            let title = "\(service.namespace)/\(service.name)"
            if service.ports.isEmpty {
                let reason = ([service.leftAlone] + service.problems).compactMap(\.self).joined(separator: "; ")
                isWide
                    ? table.add(title, service.type, "-", "-", "-", "-", "-", "-", reason)
                    : table.add(title, service.type, "-", "-", "-", reason)
            }
            for port in service.ports {
                let label = port.name.isEmpty ? title : "\(title):\(port.name)"
                let frontends = list(
                    port.frontends.filter { $0.scope == "fromNode" }.map(\.endpoint), most: isWide ? 99 : 3)
                let backends = list(port.backends.map(\.summary), most: isWide ? 99 : 3)
                let reason = ([port.reason] + service.problems).compactMap(\.self).joined(separator: "; ")
                let counted = port.connections
                let (connects, refused) = ("\(counted.forwarded)", "\(counted.refused)\(counted.reasonsText)")
                isWide
                    ? table.add(
                        label, service.type, frontends, backends, port.affinityText, service.policyText, connects,
                        refused, reason)
                    : table.add(label, service.type, frontends, backends, connects, reason)
            }
        }
        return table.text
    }

}

private func list(_ items: [String], most: Int) -> String {
    if items.isEmpty { return "-" }
    let rest = items.count - most
    return items.prefix(most).joined(separator: ",") + (rest > 0 ? ",+\(rest)" : "")
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

extension ServiceListing.Item {
    /// External and internal policy in a word each.
    var policyText: String {
        guard let externalTrafficPolicy, let internalTrafficPolicy else { return "-" }
        return "\(externalTrafficPolicy)/\(internalTrafficPolicy)"
    }

    /// One Service in full.
    var description: String {
        var lines = ["\(Terminal.styled("\(namespace)/\(name)", .bold))  \(type)"]
        if let leftAlone { lines.append("  not programmed: \(leftAlone)") }
        if externalTrafficPolicy != nil { lines.append("  traffic policy (external/internal): \(policyText)") }
        for problem in problems { lines.append("  \(Terminal.styled("problem", .warning)): \(problem)") }
        for port in ports {
            lines.append("")
            lines.append("  port \(port.name.isEmpty ? "(unnamed)" : port.name) \(port.protocol), IPv\(port.family)")
            lines.append("    affinity:  \(port.affinityText)")
            lines.append(
                "    counted:   \(port.connections.forwarded) connections, \(port.connections.refused) refused"
                    + port.connections.reasonsText)
            if let reason = port.reason { lines.append("    no backend: \(Terminal.styled(reason, .warning))") }
            if port.frontends.contains(where: \.restricted) {
                lines.append("    sources:   \(port.sourceRanges.isEmpty ? "none" : list(port.sourceRanges, most: 99))")
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

private func hostText(_ address: String) -> String { address.contains(":") ? "[\(address)]" : address }
