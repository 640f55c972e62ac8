import ServiceModel

extension ProgrammedState {
    /// What the maps say, sorted, one fact a line: the text that `swiftlet maps dump` prints and tests compare.
    ///
    /// Ids are left out on purpose: they tell nothing about what a client meets.
    package var dump: String {
        var lines: [String] = []
        for port in ports {
            let name = port.name.map { "\($0) \($0.proto) IPv\($0.family.rawValue)" } ?? "service \(port.id)"
            for frontend in port.frontends { lines += frontend.lines(of: name) }
            for range in port.sourceRanges { lines.append("source \(name) \(range)") }
            for backend in port.backends { lines.append("backend \(name) \(backend.text)") }
        }
        for (address, _) in vips.sorted(by: { $0.key < $1.key }) { lines.append("vip \(address) rejects other ports") }
        for (key, _) in nodePorts.sorted(by: { $0.key < $1.key }) {
            lines.append("node port \(key.port)/\(key.proto) may not be listened on")
        }
        if unreadable > 0 { lines.append("unreadable entries: \(unreadable)") }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension ProgrammedState.Frontend {
    fileprivate func lines(of name: String) -> [String] {
        let host = key.address.family == .v6 ? "[\(key.address)]" : "\(key.address)"
        let door = "\(host):\(key.port)/\(key.proto)"
        let scope = key.scope == .fromNode ? "" : " from outside"
        let affinity = entry.affinitySeconds > 0 ? " affinity \(entry.affinitySeconds)s" : ""
        let sources = entry.isRestricted ? entry.allowsHost ? " restricted, the node allowed" : " restricted" : ""
        let head =
            "frontend \(door)\(scope) → \(name) \(entry.kind) \(entry.action) \(entry.policy)\(affinity)\(sources)"
        return [head]
            + slots.enumerated().map { index, slot in
                "slot \(door)\(scope) #\(index) → \(slot.map { "\($0.address) port \($0.port)" } ?? "another service port's")"
            }
    }
}

extension ProgrammedState.Backend {
    fileprivate var text: String {
        var words = ["\(entry.address) port \(entry.port)", "\(entry.state)"]
        if entry.inCluster { words.append("cluster") }
        if entry.inLocal { words.append("local") }
        if entry.isLocal { words.append("on this node") }
        if !entry.zone.isEmpty { words.append("zone \(entry.zone)") }
        return words.joined(separator: " ")
    }
}
