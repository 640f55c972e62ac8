import ServiceModel

/// What a broken manifest must not take away over a restart: a Service is there, and the file of its slices cannot be read,
/// so that it seems to have no endpoints. What the maps hold of it from before the start is served on, until that is known.
struct WithheldServices {
    private var services: [ObjectName: DesiredService] = [:]

    /// Takes out of the changes what is withheld, and adds what is so no longer.
    ///
    /// - Parameters:
    ///   - isHidden: whether what a Service's endpoints are cannot be read now.
    ///   - found: what the maps hold from before the start and is not wanted so far.
    mutating func filter(
        _ changes: inout DesiredChanges, isHidden: (ObjectName) -> Bool, found: () -> [ObjectName]
    ) {
        for name in changes.removals + changes.upserts.map(\.name) { services[name] = nil }
        let candidates = changes.upserts.filter { $0.seemsEmpty && isHidden($0.name) }
        if services.isEmpty && candidates.isEmpty { return }
        let found = Set(found())
        for service in candidates where found.contains(service.name) { services[service.name] = service }
        let free = services.filter { !isHidden($0.key) }
        for name in free.keys { services[name] = nil }
        changes.upserts.removeAll { services[$0.name] != nil }
        changes.upserts += free.values.sorted { $0.name < $1.name }
    }
}

extension DesiredService {
    /// It would refuse everybody.
    fileprivate var seemsEmpty: Bool { !ports.isEmpty && ports.allSatisfy { $0.backends.isEmpty } }
}
