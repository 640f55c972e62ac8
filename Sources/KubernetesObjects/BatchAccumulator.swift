import ServiceModel

/// Batches as one: the last event of each object, in the order in which those came. It takes as much room as there are
/// objects, however often they change, and adding costs what is added.
package struct BatchAccumulator: Sendable {
    /// Nil where a later one took its place.
    private var events: [ClusterEvent?] = []
    private var places: [ClusterEvent.Subject: Int] = [:]
    /// All but the events.
    private var rest = StateBatch()
    /// The only batch so far, as it came: a first list is not gone through each time that it is handed on.
    private var sole: StateBatch?

    package init() {}

    package mutating func add(_ batch: consuming StateBatch) {
        if let first = sole.take() {
            join(first)
        } else if places.isEmpty, rest.isEmpty {
            sole = batch
            return
        }
        join(batch)
    }

    private mutating func join(_ batch: consuming StateBatch) {
        for event in batch.events {
            if let before = places.updateValue(events.count, forKey: event.subject) { events[before] = nil }
            events.append(event)
        }
        if events.count > 2 * places.count + 64 { close() }
        batch.events = []
        if !batch.isEmpty { rest.merge(batch) }
    }

    /// Gives what has come together, and forgets it; nil if there is nothing.
    package mutating func take() -> StateBatch? {
        var batch = sole ?? rest
        if sole == nil { batch.events = events.compactMap(\.self) }
        self = BatchAccumulator()
        return batch.isEmpty ? nil : batch
    }

    private mutating func close() {
        events = events.filter { $0 != nil }
        for (place, event) in events.enumerated() { if let event { places[event.subject] = place } }
    }
}
