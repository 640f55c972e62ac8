import NetworkLab

/// One thing that a client of a soak did, as a line from its process to the one that judges.
struct ClientRecord: Equatable {
    enum Act: String {
        /// A new connection, or a datagram from a new socket.
        case connect
        /// A flow that stays open: its first exchange, and each one after that.
        case open
        case exchange
    }

    var act: Act
    /// The number of the flow; 0 for a connect.
    var flow = 0
    var isUDP: Bool
    var target: String
    /// On CLOCK_MONOTONIC, which all processes share.
    var start: UInt64
    var end: UInt64
    /// `ok`, or the kernel's error name.
    var result: String
    /// The call that failed, or `-`.
    var stage = "-"
    /// The backend that answered, as `pod-1:9000`, or `-`.
    var backend = "-"
    /// The client's own end, or `-`.
    var local = "-"
    /// Datagrams that were sent again.
    var resent = 0

    var line: String {
        "\(act.rawValue) \(flow) \(isUDP ? "udp" : "tcp") \(target) \(start) \(end) \(result) \(stage) \(backend) \(local) "
            + "\(resent)"
    }
}

extension ClientRecord {
    init?(line: String) {
        let words = line.split(separator: " ")
        guard words.count == 11, let act = Act(rawValue: String(words[0])), let flow = Int(words[1]),
            let start = UInt64(words[4]), let end = UInt64(words[5]), let resent = Int(words[10])
        else { return nil }
        self.init(
            act: act, flow: flow, isUDP: words[2] == "udp", target: String(words[3]), start: start, end: end,
            result: String(words[6]), stage: String(words[7]), backend: String(words[8]), local: String(words[9]),
            resent: resent)
    }
}
