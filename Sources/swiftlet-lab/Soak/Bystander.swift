/// Connections of a soak that are no Service's, or whose Service never changes: a proxy must not lose one of them.
enum Bystander: String, CaseIterable, Sendable {
    /// As the kubelet probes.
    case probe = "node-to-endpoint"
    /// From the ports that masqueraded flows have, and to their endpoints.
    case sharedPort = "node-to-endpoint-from-ports-of-flows"
    case clusterIP = "node-to-ClusterIP"
    /// The flow whose port the next one uses.
    case nodePort = "client-to-NodePort"
    case straight = "client-to-its-endpoint-from-the-same-port"
    /// Connections that stay, straight to an endpoint or to a listener of the node.
    case held = "held"
    /// Connections to NodePorts on which nothing is said until the end.
    case idle = "idle"
}

/// What a process of bystanders tells: how many of a kind it made since it told last, or one that failed.
struct BystanderRecord: Equatable {
    var kind: Bystander
    var connects = 0
    /// On connections that stay.
    var exchanges = 0
    var failure: String?

    var line: String { "bystander \(kind.rawValue) \(connects) \(exchanges) \(failure ?? "-")" }
}

extension BystanderRecord {
    init?(line: String) {
        let words = line.split(separator: " ", maxSplits: 4).map(String.init)
        guard words.count == 5, words[0] == "bystander", let kind = Bystander(rawValue: words[1]),
            let connects = Int(words[2]), let exchanges = Int(words[3])
        else { return nil }
        self.init(
            kind: kind, connects: connects, exchanges: exchanges, failure: words[4] == "-" ? nil : words[4])
    }
}

/// All that was told of a kind.
struct BystanderTally: Equatable {
    var connects = 0
    var exchanges = 0
    var failed = 0

    mutating func add(_ record: BystanderRecord) {
        connects += record.connects
        exchanges += record.exchanges
        if record.failure != nil { failed += 1 }
    }

    static func + (left: BystanderTally, right: BystanderTally) -> BystanderTally {
        BystanderTally(
            connects: left.connects + right.connects, exchanges: left.exchanges + right.exchanges,
            failed: left.failed + right.failed)
    }
}
