/// What a packet is to the programs, and which of them it meets.
package enum PacketKind: String, CaseIterable, Codable, Sendable {
    /// No packet: one warm look-up in the hash map of the flows' tuples, the unit that other times are told in, too.
    case lookup
    /// Between others, which the node forwards.
    case stranger
    case strangerDeparting
    /// To a port of the node that is no NodePort.
    case host
    /// Of a known flow, from the client.
    case request
    case requestDeparting
    /// Of a known flow, from the backend.
    case reply
    case replyDeparting
    /// A client's SYN, while there is room for flows.
    case first
    /// The same, where it gets a port of the node.
    case firstDeparting
    /// Both.
    case firstInAll
    /// A client's SYN, for which another flow has to go.
    case firstWhenFull
    /// With `--forwarding=redirect`, where one program does all.
    case requestSentOn
    case replySentOn
    case firstSentOn

    /// Those that are run; the others are made of them.
    static let measured = allCases.filter { $0 != .firstInAll }

    var isSentOn: Bool { [.requestSentOn, .replySentOn, .firstSentOn].contains(self) }
    var isFirst: Bool { [.first, .firstDeparting, .firstWhenFull, .firstSentOn].contains(self) }

    /// At most so many nanoseconds, on the machine of the committed figures.
    func limit(_ family: IPVersion) -> Double? {
        switch self {
        case .stranger, .strangerDeparting, .host: 15
        case .request, .requestDeparting, .reply, .replyDeparting, .requestSentOn, .replySentOn:
            family == .v4 ? 130 : 170
        case .firstInAll, .firstSentOn: family == .v4 ? 1_000 : 1_300
        case .lookup, .first, .firstDeparting, .firstWhenFull: nil
        }
    }
}
