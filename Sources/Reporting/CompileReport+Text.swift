import ServiceModel

extension CompileReport {
    /// The report for people: the node, a table of frontends, then a line for everything else that there is.
    package var text: String {
        var lines = [node.text, "", table.text]
        let rest =
            retainedBackends.map(\.text)
            + healthCheckNodePorts.map {
                "health check: \($0.service) on \($0.port), local endpoints: \($0.localEndpoints)"
            }
            + leftAlone.map { "left alone: \($0.service): \($0.text)" }
            + conflicts.map { "conflict: \($0.text)" }
            + problems.map { "problem: \($0.message)" }
        if !rest.isEmpty { lines.append("") }
        return (lines + rest).joined(separator: "\n")
    }

    private var table: Table {
        var table = Table(
            "FRONTEND", "SCOPE", "KIND", "POLICY", "SERVICE", "AFFINITY", "MASQUERADE", "SOURCES", "BACKENDS")
        for frontend in frontends {
            table.add(
                "\(socketText(frontend.address, frontend.port))/\(frontend.protocol)", frontend.scope.rawValue,
                frontend.kind, frontend.policy, portText(frontend.service, frontend.servicePort),
                frontend.affinitySeconds == 0 ? "-" : "\(frontend.affinitySeconds)s", frontend.masquerade,
                frontend.sourceRanges?.text ?? "-", frontend.outcome)
        }
        return table
    }
}

extension CompileReport.Node {
    fileprivate var text: String {
        let addresses = nodePortAddresses.map { $0.address + ($0.hostOnly ? " (host only)" : "") }
        return "node \(name), zone \(zone ?? "unknown"), NodePorts on "
            + (addresses.isEmpty ? "no address" : addresses.joined(separator: ", ")) + localTraffic.text
    }
}

extension CompileReport.LocalTraffic {
    fileprivate var text: String {
        if let bridge { return ", pods behind \(bridge)" }
        if let devicePrefix { return ", pods behind \(devicePrefix)*" }
        guard let sources, !sources.isEmpty else { return "" }
        return ", pods in \(sources.joined(separator: ", "))"
    }
}

extension CompileReport.Frontend {
    /// The backends, or why there is none.
    fileprivate var outcome: String {
        if let reason { return "\(action): \(reason)" }
        return backends.map { socketText($0.address, $0.port) + ($0.local ? " (local)" : "") }
            .joined(separator: ", ")
    }
}

extension CompileReport.SourceRanges {
    fileprivate var text: String {
        ranges.isEmpty ? "no client" : (ranges + (admitsVIP ? ["the VIP"] : [])).joined(separator: ", ")
    }
}

extension CompileReport.RetainedBackend {
    fileprivate var text: String {
        "retained: \(portText(service, servicePort)) \(socketText(address, port))/\(`protocol`), "
            + (terminating ? "terminating" : "serving")
    }
}

extension CompileReport.Conflict {
    /// `default/b cannot have 198.51.100.1:80/TCP: default/a holds it`.
    package var text: String {
        "\(service) cannot have \(socketText(address, port))/\(`protocol`): \(heldBy) holds it"
    }
}

private func socketText(_ address: String, _ port: Int) -> String {
    address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
}

private func portText(_ service: String, _ port: String) -> String { port.isEmpty ? service : "\(service):\(port)" }

extension CompileReport.LeftAlone {
    /// In the words that `swiftlet services` shows.
    fileprivate var text: String { ServiceModel.LeftAlone(rawValue: reason)?.text ?? reason }
}
