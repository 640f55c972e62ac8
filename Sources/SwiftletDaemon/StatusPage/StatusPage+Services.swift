extension StatusPage {
    /// The Services, those with trouble first; each opens to its frontends and endpoints.
    var services: HTML {
        guard !listing.services.isEmpty || omittedServices > 0 else { return "<h2>Services</h2><p>There are none.</p>" }
        let sorted = listing.services.enumerated().sorted {
            ($0.element.tone.order, $0.offset) < ($1.element.tone.order, $1.offset)
        }.map(\.element)
        let shown = sorted.prefix(Self.mostServices).map(row)
        let rest = sorted.count - shown.count + omittedServices
        let more: HTML =
            rest == 0
            ? ""
            : shown.isEmpty
                ? "<p>Nothing is the matter with any of the \(rest): <code>swiftlet services</code> lists them.</p>"
                : "<p>\(rest) more: <code>swiftlet services</code></p>"
        return "<h2>Services</h2>\(Array(shown))\(more)"
    }

    private func row(_ service: ServiceListing.Item) -> HTML {
        let name = "\(service.namespace)/\(service.name)"
        let reasons = service.reasons
        let why: HTML = reasons.isEmpty ? "" : "<span class=\"why\">\(reasons.joined(separator: "; "))</span>"
        let backends = service.ports.reduce(0) { $0 + $1.backends.count }
        let connects = service.ports.reduce(0) { $0 &+ $1.connections.forwarded }
        let refused = service.ports.reduce(0) { $0 &+ $1.connections.refused }
        return """
            <details id="s-\(name)" class="\(service.tone.rawValue)"><summary><span class="name">\(name)</span>\
            <span class="kind">\(service.type)</span><span class="count"><b>\(backends)</b> endpoint\(backends == 1 ? "" : "s")</span>\
            <span class="count"><b>\(connects)</b> connect\(connects == 1 ? "" : "s")</span><span class="count"><b>\(refused)</b> refused</span>\
            \(why)</summary><div class="inner"><table>\(service.ports.map(port))</table></div></details>

            """
    }

    private func port(_ port: ServiceListing.Port) -> HTML {
        let frontends = port.frontends.map { frontend -> HTML in
            """
            <tr><td>\(host(frontend.address)):\(frontend.port)/\(frontend.protocol)</td><td>\(frontend.kind)</td>\
            <td>\(frontend.action), \(frontend.policy)</td><td></td></tr>

            """
        }
        let backends = port.backends.map { backend -> HTML in
            let place = backend.local ? "on this node" : backend.zone.isEmpty ? "" : "zone \(backend.zone)"
            let count = backend.forwarded.map { "\($0) connect\($0 == 1 ? "" : "s")" } ?? ""
            return """
                <tr><td>→ \(host(backend.address)):\(backend.port)</td><td>\(backend.state)</td><td>\(place)</td>\
                <td class="number">\(count)</td></tr>

                """
        }
        let title = port.name.isEmpty ? "\(port.protocol), IPv\(port.family)" : "\(port.name), IPv\(port.family)"
        let reason: HTML =
            port.reason.map { "<tr><td>no endpoint</td><td class=\"wrap\" colspan=\"3\">\($0)</td></tr>" }
            ?? port.remark.map { "<tr><td>remark</td><td class=\"wrap\" colspan=\"3\">\($0)</td></tr>" } ?? ""
        return "<tr><th colspan=\"4\">\(title)</th></tr>\(frontends)\(backends)\(reason)"
    }

    private func host(_ address: String) -> String { address.contains(":") ? "[\(address)]" : address }
}

extension ServiceListing.Item {
    /// How it stands; the class of its row.
    enum Tone: String {
        case broken, good, idle

        var order: Int {
            switch self {
            case .broken: 0
            case .good: 1
            case .idle: 2
            }
        }
    }

    var tone: Tone {
        if leftAlone != nil { return .idle }
        return problems.isEmpty && ports.allSatisfy { $0.reason == nil } ? .good : .broken
    }

    /// Each once, with its port where only some have it.
    var reasons: [String] {
        var reasons = [leftAlone].compactMap(\.self) + problems
        let broken = ports.filter { $0.reason != nil }
        for port in broken {
            guard let reason = port.reason else { continue }
            let text = broken.count == ports.count || port.name.isEmpty ? reason : "\(port.name): \(reason)"
            if !reasons.contains(text) { reasons.append(text) }
        }
        return reasons
    }
}
