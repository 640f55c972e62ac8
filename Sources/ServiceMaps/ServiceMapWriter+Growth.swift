// Larger maps in the place of those that are too small.
extension ServiceMapWriter {
    /// How many entries the maps have room for.
    package var capacities: MapCapacities { mirror.capacities }

    /// The groups of which a map is so full, over four fifths, that it should grow before something does not fit.
    package var crowded: Set<MapGroup> {
        var groups: Set<MapGroup> = []
        for (map, fill) in statistics {
            guard let group = MapGroup(of: map) else { continue }
            if fill.entries * 5 > fill.capacity * 4 { groups.insert(group) }
        }
        return groups
    }

    /// Goes on with maps that hold the same entries and have more room. Ids, slots and what waits to be freed stay.
    package mutating func move(to store: Store, capacities: MapCapacities) {
        self.store = store
        mirror.grow(to: capacities.limited(by: store))
    }
}
