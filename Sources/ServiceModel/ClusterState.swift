/// Everything that is known of the cluster, by name, whatever the order in which it arrived.
///
/// Slices are kept one by one, because endpoints move between them, and are merged when a Service is compiled.
/// Only what decides a translation is kept: other labels and all annotations are dropped, and changing them makes
/// nothing dirty.
package struct ClusterState: Sendable {
    /// A Service and its slices, of which either may come first.
    fileprivate struct Entry: Sendable {
        var service: Service?
        /// Sorted by name.
        var slices: [EndpointSlice] = []
    }

    private var entries = CompactDictionary<ObjectName, Entry>()
    /// Slice to the name of its Service, which is in the same namespace.
    private var owners = CompactDictionary<ObjectName, String>()
    private var nodes: [String: Node] = [:]
    private var pool = PlacementPool()
    private let ownNode: String?
    private let keepsHeadless: Bool

    /// - Parameters:
    ///   - ownNode: the node whose changes concern all the Services; nil if any node's do.
    ///   - keepsHeadless: the slices of headless Services too, which are of use to DNS only.
    package init(ownNode: String? = nil, keepsHeadless: Bool = false) {
        self.ownNode = ownNode
        self.keepsHeadless = keepsHeadless
    }

    package func service(named name: ObjectName) -> Service? { entries[name]?.service }

    /// The slices of a Service, sorted by name, whether or not the Service is known.
    package func slices(of service: ObjectName) -> [EndpointSlice] { entries[service]?.slices ?? [] }

    /// The Node, with what decides nothing here but whether it may get traffic from outside (spec 46).
    package func node(named name: String) -> Node? { nodes[name] }

    /// The names of all the Services, unsorted.
    package var serviceNames: [ObjectName] { entries.compactMap { $0.value.service == nil ? nil : $0.key } }

    package var nodeNames: Set<String> { Set(nodes.keys) }

    package var sliceCount: Int { owners.count }

    /// Every endpoint of a Service with addresses of its own, in no order; one of two Services comes twice.
    package func forEachEndpoint(_ body: (Endpoint) -> Void) {
        for entry in entries.values {
            guard let service = entry.service, !service.isHeadless, service.kind != .externalName else { continue }
            for slice in entry.slices { slice.endpoints.forEach(body) }
        }
    }

    /// Every object, as the event that would bring it here; unsorted.
    package var events: [ClusterEvent] {
        // One array: to copy an event is to count a dozen references.
        var events: [ClusterEvent] = []
        events.reserveCapacity(entries.count + owners.count + nodes.count)
        for entry in entries.values {
            if let service = entry.service { events.append(.service(service)) }
            for slice in entry.slices { events.append(.slice(slice)) }
        }
        for node in nodes.values { events.append(.node(node)) }
        return events
    }

    /// The ends of the objects that a complete list does not name: it replaces what was known before.
    package func endings(missingFrom list: [ClusterEvent]) -> [ClusterEvent] {
        var ends = Set(serviceNames.map(ClusterEvent.serviceGone))
        ends.formUnion(owners.keys.map(ClusterEvent.sliceGone))
        ends.formUnion(nodes.keys.lazy.map(ClusterEvent.nodeGone))
        if ends.isEmpty { return [] }
        for event in list {
            switch event {
            case .service(let service): ends.remove(.serviceGone(service.name))
            case .slice(let slice): ends.remove(.sliceGone(slice.name))
            case .node(let node): ends.remove(.nodeGone(node.name))
            case .serviceGone, .sliceGone, .nodeGone: break
            }
        }
        return Array(ends)
    }

    /// Takes note of a change and returns the Services that need compiling; none if nothing changed.
    package mutating func apply(_ event: ClusterEvent) -> Set<ObjectName> { apply(CollectionOfOne(event)) }

    /// Applies a burst, so that it costs one compile of each dirty Service.
    package mutating func apply(_ events: some Sequence<ClusterEvent>) -> Set<ObjectName> {
        var dirty: Set<ObjectName> = []
        for event in events { apply(event, &dirty) }
        return dirty
    }

    private mutating func apply(_ event: ClusterEvent, _ dirty: inout Set<ObjectName>) {
        switch event {
        case .service(let service): put(service.onlyDecisive, &dirty)
        case .serviceGone(let name): removeService(name, &dirty)
        case .slice(let slice): keeps(slice) ? put(slice.onlyDecisive, &dirty) : removeSlice(slice.name, &dirty)
        case .sliceGone(let name): removeSlice(name, &dirty)
        case .node(let node): setNode(node.name, to: node.onlyNeeded, &dirty)
        case .nodeGone(let name): setNode(name, to: nil, &dirty)
        }
    }

    private func keeps(_ slice: EndpointSlice) -> Bool {
        keepsHeadless ? slice.hasAddressesOfService : slice.isTranslatable
    }

    private mutating func put(_ service: Service, _ dirty: inout Set<ObjectName>) {
        guard entries[service.name]?.service != service else { return }
        entries[service.name, default: Entry()].service = service
        dirty.insert(service.name)
    }

    private mutating func removeService(_ name: ObjectName, _ dirty: inout Set<ObjectName>) {
        guard let entry = entries[name], entry.service != nil else { return }
        if entry.slices.isEmpty {
            entries[name] = nil
        } else {
            entries.change(name) { $0.service = nil }
        }
        dirty.insert(name)
    }

    private mutating func put(_ slice: EndpointSlice, _ dirty: inout Set<ObjectName>) {
        let service = slice.service
        if let owner = owners[slice.name], owner != slice.serviceName { removeSlice(slice.name, &dirty) }
        guard entries[service, default: Entry()].put(slice, sharing: &pool) else { return }
        owners[slice.name] = slice.serviceName
        if entries[service]?.service != nil { dirty.insert(service) }
    }

    private mutating func removeSlice(_ name: ObjectName, _ dirty: inout Set<ObjectName>) {
        guard let owner = owners.removeValue(forKey: name) else { return }
        let service = ObjectName(namespace: name.namespace, name: owner)
        entries.change(service) { $0.slices.removeAll { $0.name == name } }
        guard let entry = entries[service], entry.service == nil else {
            dirty.insert(service)
            return
        }
        if entry.slices.isEmpty { entries[service] = nil }
    }

    private mutating func setNode(_ name: String, to node: Node?, _ dirty: inout Set<ObjectName>) {
        let before = nodes[name]
        nodes[name] = node
        guard before?.onlyDecisive != node?.onlyDecisive, ownNode == nil || ownNode == name else { return }
        dirty.formUnion(serviceNames)
    }
}

extension ClusterState.Entry {
    /// Returns false if the slice is known as it is.
    fileprivate mutating func put(_ slice: EndpointSlice, sharing pool: inout PlacementPool) -> Bool {
        let place = slices.firstIndex { $0.name >= slice.name } ?? slices.endIndex
        let isKnown = place < slices.endIndex && slices[place].name == slice.name
        if isKnown, slices[place] == slice { return false }
        var slice = slice
        pool.share(&slice.endpoints)
        slice.endpoints.giveBackRoom()
        if isKnown {
            slices[place] = slice
        } else {
            slices.insert(slice, at: place)
        }
        return true
    }
}

extension Array {
    /// Keeps no room for elements to come.
    fileprivate mutating func giveBackRoom() {
        if capacity > count { self = withUnsafeBufferPointer { Array($0) } }
    }
}
