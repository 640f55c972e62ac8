extension FrontendKey: CustomStringConvertible {
    /// As people write it: `10.96.0.15:80/TCP`, `[fd00::15]:80/TCP`; the scope is left out.
    package var description: String { "\(FrontendKey.socket(address, port))/\(proto)" }
}

extension SourceRanges: CustomStringConvertible {
    /// `10.0.0.0/8,192.0.2.0/24+vip`, or `none`.
    package var description: String {
        ranges.isEmpty ? "none" : ranges.map(\.description).joined(separator: ",") + (admitsVIP ? "+vip" : "")
    }
}

extension DesiredFrontend.Kind {
    /// As Kubernetes writes it.
    package var text: String {
        switch self {
        case .clusterIP: "ClusterIP"
        case .nodePort: "NodePort"
        case .loadBalancer: "LoadBalancer"
        case .externalIP: "ExternalIP"
        }
    }
}

extension DesiredState: CustomStringConvertible {
    /// One line for each frontend, backend and Service that is left alone, sorted: equal states, equal texts.
    ///
    ///     frontend 10.96.0.15:80/TCP clusterIP cluster → default/my-api 3 backends
    ///     backend default/my-api v4 10.0.0.1:8080 active cluster local
    ///     service default/my-db left alone: headless
    package var description: String {
        let sorted = services.values.sorted { $0.name < $1.name }
        let ports = sorted.flatMap(\.ports)
        let frontends = ports.flatMap { port in port.frontends.map { (key: $0.key, text: $0.text(of: port)) } }
        let backends = ports.flatMap { port in port.backends.map { $0.text(of: port) } }
        let others = sorted.compactMap { service in
            service.leftAlone.map { "service \(service.name) left alone: \($0.rawValue)" }
        }
        let lines = frontends.sorted { $0.key < $1.key }.map(\.text) + backends + others
        return lines.map { $0 + "\n" }.joined()
    }
}

extension DesiredFrontend {
    fileprivate func text(of port: DesiredServicePort) -> String {
        var words = ["frontend", "\(key)", "\(kind)", policy == .cluster ? "cluster" : "local"]
        if hostOnly { words.append("host-only") }
        if hasOutside { words.append("from-node") }
        if key.scope == .fromOutside { words.append("from-outside") }
        if port.affinitySeconds > 0 { words.append("affinity \(port.affinitySeconds)s") }
        if let sourceRanges { words.append("sources \(sourceRanges)") }
        words += ["→", "\(port.name)"]
        switch action {
        case .balance:
            let count = port.backends(of: self).count
            words.append("\(count) \(count == 1 ? "backend" : "backends")")
        case .reject, .drop:
            let reason = port.emptyReason ?? .notOnThisNode
            words.append("\(action): \(reason.rawValue)")
        }
        return words.joined(separator: " ")
    }
}

extension DesiredBackend {
    fileprivate func text(of port: DesiredServicePort) -> String {
        var words = [
            "backend", "\(port.name)", "v\(port.name.family.rawValue)", FrontendKey.socket(address, self.port),
            "\(state)",
        ]
        if inCluster { words.append("cluster") }
        if inLocal { words.append("local") }
        if isLocal { words.append("on-this-node") }
        if let zone { words.append("zone=\(zone)") }
        return words.joined(separator: " ")
    }
}
