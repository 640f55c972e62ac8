/// Maps whose size is chosen together: what one flag counts.
public enum MapGroup: String, CaseIterable, Sendable {
    case services, slots, backends
    case sourceRanges = "source ranges"

    public var maps: [ServiceMap] {
        switch self {
        case .services: [.services4, .services6, .vips4, .vips6, .nodePorts, .frontends, .serviceCounters]
        case .slots: [.slots4, .slots6]
        case .backends: [.backends4, .backends6, .backendCounters]
        case .sourceRanges: [.sourceRanges4, .sourceRanges6]
        }
    }

    /// The group that a map belongs to; nil for maps that do not grow.
    public init?(of map: ServiceMap) {
        guard let group = Self.allCases.first(where: { $0.maps.contains(map) }) else { return nil }
        self = group
    }
}
