/// Maps whose size is chosen together: what one flag counts.
package enum MapGroup: String, CaseIterable, Sendable {
    case services, slots, backends
    case sourceRanges = "source ranges"

    package var maps: [ServiceMap] { MapCatalog.all.filter { $0.size.group == self }.map(\.map) }

    /// The group that a map belongs to; nil for maps that do not grow.
    package init?(of map: ServiceMap) {
        guard let group = map.about.size.group else { return nil }
        self = group
    }
}
