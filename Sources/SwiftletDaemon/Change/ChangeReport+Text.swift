import ServiceMaps

extension ChangeReport {
    /// For people: a line for each difference, `+`, `-` or `~`; then what would be written, and whom it touches.
    package var text: String {
        var lines = problems.map { "problem: \($0)" } + frontends.map(\.text) + endpoints.map(\.text)
        if isEmpty { lines.append(isPartial ? "nothing else would change" : "nothing would change") }
        if !writes.isEmpty {
            let maps = writes.sorted { $0.key < $1.key }.map { map, count in
                "\(map) "
                    + [(count.written, "+"), (count.deleted, "-")].filter { $0.0 > 0 }.map { "\($0.1)\($0.0)" }
                    .joined(separator: " ")
            }
            lines.append("map writes: \(maps.joined(separator: ", "))")
        }
        let (sockets, flows) = (endpoints.reduce(0) { $0 + $1.sockets }, endpoints.reduce(0) { $0 + $1.flows })
        if sockets + flows > 0 { lines.append("open connections touched: \(Endpoint.count(sockets, flows))") }
        lines += failures.map { "would not fit: \($0)" }
        lines += notes.map { "note: \($0)" }
        return lines.joined(separator: "\n")
    }
}

extension ChangeReport.Change {
    fileprivate var sign: String {
        switch self {
        case .added: "+"
        case .removed: "-"
        case .changed: "~"
        }
    }
}

extension ChangeReport.Frontend {
    fileprivate var text: String {
        let place = scope == "fromOutside" ? " from outside" : ""
        let host = address.contains(":") ? "[\(address)]" : address
        return "\(change.sign) frontend \(host):\(port)/\(`protocol`)\(place)  "
            + "\(named(namespace, service, servicePort))  \(words(before, after))"
    }
}

extension ChangeReport.Endpoint {
    fileprivate var text: String {
        let host = address.contains(":") ? "[\(address)]" : address
        let open = sockets + flows > 0 ? "  (\(Self.count(sockets, flows)) open)" : ""
        return "\(change.sign) endpoint \(host):\(port)/\(`protocol`)  \(named(namespace, service, servicePort))  "
            + "\(words(before, after))\(open)"
    }

    /// `2 sockets, 1 flow`.
    fileprivate static func count(_ sockets: Int, _ flows: Int) -> String {
        [(sockets, "socket"), (flows, "flow")].filter { $0.0 > 0 }
            .map { "\($0.0) \($0.1)\($0.0 == 1 ? "" : "s")" }.joined(separator: ", ")
    }
}

private func named(_ namespace: String, _ service: String, _ port: String) -> String {
    "\(namespace)/\(service)" + (port.isEmpty ? "" : ":\(port)")
}

private func words(_ before: String?, _ after: String?) -> String {
    if let before, let after { return "\(before) → \(after)" }
    return after ?? before ?? ""
}
