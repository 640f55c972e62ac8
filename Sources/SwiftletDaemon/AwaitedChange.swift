import FoundationEssentials
import ServiceModel

/// A change of endpoints whose time was noted where it was made (spec 48).
struct AwaitedChange: Sendable {
    let date: Date
    let family: IPFamily

    private init?(_ slice: EndpointSlice) {
        guard let time = slice.lastChangeTrigger, let family = slice.family else { return nil }
        date = Date(timeIntervalSince1970: Double(time.nanoseconds) / 1e9)
        self.family = family
    }

    static func all(of events: [ClusterEvent]) -> [AwaitedChange] {
        events.compactMap { if case .slice(let slice) = $0 { AwaitedChange(slice) } else { nil } }
    }
}
