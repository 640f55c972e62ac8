import KubernetesObjects
import ServiceModel

/// What has been told of one resource: the version of each object, and what is wrong with some.
///
/// Thanks to it a list tells only what differs, so that the state is never emptied to be filled again.
struct Inventory {
    private var versions = CompactDictionary<ObjectKey, String>()
    private var problems: [ObjectKey: [StateProblem]] = [:]
    /// Before the first list, nothing can be said to be gone.
    private(set) var isFilled = false

    var count: Int { versions.count }

    /// Takes note of an object that was added or changed.
    mutating func put(_ object: APIObject, into batch: inout StateBatch) {
        guard versions[object.key] != object.resourceVersion || object.resourceVersion.isEmpty else { return }
        note(object, into: &batch)
    }

    mutating func remove(_ key: ObjectKey, from batch: inout StateBatch) {
        guard versions.removeValue(forKey: key) != nil else { return }
        batch.resolved += problems.removeValue(forKey: key) ?? []
        if let event = key.goneEvent { batch.events.append(event) }
    }

    private mutating func note(_ object: APIObject, into batch: inout StateBatch) {
        versions[object.key] = object.resourceVersion
        let before = problems[object.key] ?? []
        batch.resolved += before.filter { !object.problems.contains($0) }
        batch.problems += object.problems.filter { !before.contains($0) }
        problems[object.key] = object.problems.isEmpty ? nil : object.problems
        // Without an event the last good version stays in force.
        if let event = object.event { batch.events.append(event) }
    }

    /// Takes over a complete list and tells what differs from what was known.
    ///
    /// - Parameter trustsVersions: false if the list is older than what we know: its history is another one, in which
    ///   the same version may stand for something else.
    mutating func replace(with listing: Listing, trustsVersions: Bool) -> StateBatch {
        var batch = StateBatch()
        for key in Array(versions.keys) where listing.objects[key] == nil { remove(key, from: &batch) }
        for object in listing.objects.values {
            if trustsVersions { put(object, into: &batch) } else { note(object, into: &batch) }
        }
        isFilled = true
        return batch
    }
}

/// The pages of a list that is not complete yet. Nothing of it is told before it is.
struct Listing {
    fileprivate(set) var objects: [ObjectKey: APIObject] = [:]
    /// Taken from the first page; the whole list is consistent at this version.
    private(set) var resourceVersion = ""
    private(set) var pages = 0

    mutating func add(_ page: APIListPage) {
        if pages == 0 { resourceVersion = page.resourceVersion }
        pages += 1
        for object in page.objects { objects[object.key] = object }
    }
}

extension ObjectKey {
    /// What to tell when the object is gone; nil for what is none of the model's.
    fileprivate var goneEvent: ClusterEvent? {
        switch kind {
        case .service: .serviceGone(name)
        case .slice: .sliceGone(name)
        case .node: .nodeGone(name.name)
        case .endpoints, .pod: nil
        }
    }
}
