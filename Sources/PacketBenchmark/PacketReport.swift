package import ConnectBenchmark
import FoundationEssentials

/// What one run of the packet benchmark found; its JSON form is `json()`.
package struct PacketReport: Codable, Sendable {
    package var machine: Machine
    /// How many Services there were on the routed nodes.
    package var services: Int
    package var programs: [ProgramResult]
    /// IPv6 against IPv4, for each kind of packet and number of Services.
    package var families: [FamilyResult]
    /// Connects past our programs, of which none failed: one that does ends the run.
    package var bystanders: Int
    package var connects: [ConnectResult]
    package var exchanges: [ExchangeResult]

    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// What a figure should be, and whether it is.
package struct Goal: Codable, Sendable {
    package let limit: Double
    package let isMet: Bool

    static func atMost(_ limit: Double, _ value: Double) -> Goal { Goal(limit: limit, isMet: value <= limit) }
    static func atLeast(_ limit: Double, _ value: Double) -> Goal { Goal(limit: limit, isMet: value >= limit) }
}

/// Time of one packet in the program.
package struct ProgramResult: Codable, Sendable {
    package let packet: PacketKind
    package let family: IPVersion
    package let services: Int
    /// The median over rounds, net of a program that does nothing but put the packet back.
    package let nanoseconds: Double
    /// The same in warm look-ups of the same rounds.
    package let lookups: Double
    package let repeats: Int
    package let goal: Goal?

    init(packet: PacketKind, family: IPVersion, services: Int, nanoseconds: Double, lookups: Double, repeats: Int) {
        self.packet = packet
        self.family = family
        self.services = services
        self.nanoseconds = nanoseconds
        self.lookups = lookups
        self.repeats = repeats
        goal = packet.limit(family).map { .atMost($0, nanoseconds) }
    }
}

/// IPv6 ÷ IPv4.
package struct FamilyResult: Codable, Sendable {
    package let packet: PacketKind
    package let services: Int
    package let ratio: Double
    package let goal: Goal

    static func all(_ programs: [ProgramResult]) -> [FamilyResult] {
        programs.filter { $0.family == .v4 && $0.packet != .lookup }.compactMap { v4 in
            let v6 = programs.first { $0.family == .v6 && $0.packet == v4.packet && $0.services == v4.services }
            guard let v6, v4.nanoseconds > 0 else { return nil }
            let ratio = v6.nanoseconds / v4.nanoseconds
            return FamilyResult(
                packet: v4.packet, services: v4.services, ratio: ratio, goal: .atMost(1.3, ratio))
        }
    }
}

/// Connects by one way, beside direct ones.
package struct ConnectResult: Codable, Sendable {
    package let way: RoutedWay
    package let family: IPVersion
    /// Whether netfilter tracks connections on the nodes.
    package let isTracked: Bool
    package let latency: Latency
    /// To direct connects of the same rounds.
    package let ratio: LatencyRatio
    /// Only of our ways.
    package let goal: Goal?
}

/// Bytes that go to and fro by one way, beside others.
package struct ExchangeResult: Codable, Sendable {
    package let kind: Exchange
    package let way: RoutedWay
    package let family: IPVersion
    package let isTracked: Bool
    /// The median over rounds: transactions, or bytes.
    package let perSecond: Double
    /// The median over rounds of the rate by this way ÷ that through nftables, with its 95 % interval.
    package let ratio: Double
    package let ratioLow: Double
    package let ratioHigh: Double
    /// Only of our ways.
    package let goal: Goal?
}
