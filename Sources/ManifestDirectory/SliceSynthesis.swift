import KubernetesObjects
import ServiceModel

/// Makes the slices that were not written: from Pods for a Service with a selector, from Endpoints for one without.
///
/// - Slices in the manifests win: a Service that has one gets none from here.
/// - A Service with a selector takes the pods of its namespace that have all its labels. Its Endpoints object,
///   if there is one, is ignored, as Kubernetes' mirroring does.
/// - Endpoints of a Service without a selector are mirrored: one slice for each subset and family.
///
/// The names contain an `@`, which Kubernetes does not allow, so they never meet a written one.
struct SliceSynthesis {
    /// What is kept of a Service; its collections share their storage with the model's.
    struct ServiceEntry {
        var selector: [String: String]?
        var ports: [Service.PortSpec]
        var targets: [ServiceObject.TargetPort]
        var families: [IPFamily]
        var publishesNotReady: Bool
    }

    private struct Label: Hashable {
        var namespace: String
        var key: String
        var value: String
    }

    private var services = CompactDictionary<ObjectName, ServiceEntry>()
    private var pods: [ObjectName: PodObject] = [:]
    private var podsByLabel: [Label: Set<ObjectName>] = [:]
    private var endpoints: [ObjectName: EndpointsObject] = [:]
    private var servicesOfSlices = CompactDictionary<ObjectName, String>()
    private var sliceCounts = CompactDictionary<ObjectName, Int>()
    /// The slices that were made, by Service, with a hash of each.
    private var made: [ObjectName: [ObjectName: Int]] = [:]
    private var dirty: Set<ObjectName> = []
    /// Services that have slices and are not there themselves.
    private var missing: Set<ObjectName> = []
    /// Services whose Endpoints object counts for nothing, since they have slices.
    private(set) var withUselessEndpoints: Set<ObjectName> = []
    /// Labels of pods that changed, came or went.
    private var dirtyLabels: Set<Label> = []

    /// Makes what the changes so far ask for; only slices that differ from the last time are in the result.
    mutating func flush() -> [ClusterEvent] {
        markServicesOfChangedPods()
        var events: [ClusterEvent] = []
        for service in dirty.sorted() {
            let before = made[service] ?? [:]
            var after: [ObjectName: Int] = [:]
            for slice in slices(of: service) {
                let hash = slice.hashValue
                after[slice.name] = hash
                if before[slice.name] != hash { events.append(.slice(slice)) }
            }
            for name in before.keys.sorted() where after[name] == nil { events.append(.sliceGone(name)) }
            made[service] = after.isEmpty ? nil : after
            note(service)
        }
        dirty = []
        return events
    }

    private mutating func note(_ service: ObjectName) {
        let hasSlices = sliceCounts[service] != nil
        if hasSlices && services[service] == nil { missing.insert(service) } else { missing.remove(service) }
        if hasSlices && endpoints[service] != nil {
            withUselessEndpoints.insert(service)
        } else {
            withUselessEndpoints.remove(service)
        }
    }

    /// The written slices of Services that are not there, and these.
    var strays: [(slice: ObjectName, service: ObjectName)] {
        if missing.isEmpty { return [] }
        return servicesOfSlices.compactMap { slice, service in
            let owner = ObjectName(namespace: slice.namespace, name: service)
            return missing.contains(owner) ? (slice, owner) : nil
        }
    }

    /// The Services that an object defines, or gives endpoints to.
    func services(of key: ObjectKey) -> [ObjectName] {
        switch key.kind {
        case .service: return [key.name]
        case .slice:
            return servicesOfSlices[key.name].map { [ObjectName(namespace: key.name.namespace, name: $0)] } ?? []
        case .endpoints: return sliceCounts[key.name] == nil ? [key.name] : []
        case .pod:
            guard let labels = pods[key.name]?.labels else { return [] }
            return services.compactMap { name, service in
                guard name.namespace == key.name.namespace, sliceCounts[name] == nil, let selector = service.selector,
                    selector.allSatisfy({ labels[$0.key] == $0.value })
                else { return nil }
                return name
            }
        case .node: return []
        }
    }

    private func slices(of name: ObjectName) -> [EndpointSlice] {
        guard let service = services[name], sliceCounts[name] == nil else { return [] }
        if let selector = service.selector {
            return podSlices(of: name, service, pods: matchingPods(selector, in: name.namespace))
        }
        return endpoints[name].map { mirroredSlices(of: name, $0) } ?? []
    }
}

/// Changes of objects, each of which marks the Services that it may concern.
extension SliceSynthesis {
    mutating func setService(_ manifest: ServiceObject?, name: ObjectName) {
        services[name] = manifest.map { manifest in
            let service = manifest.service
            let isSelecting = service.selector != nil
            return ServiceEntry(
                selector: service.selector, ports: isSelecting ? service.ports : [],
                targets: isSelecting ? manifest.targets : [], families: manifest.families,
                publishesNotReady: service.publishNotReadyAddresses)
        }
        dirty.insert(name)
    }

    mutating func setSlice(_ slice: EndpointSlice?, name: ObjectName) {
        let before = servicesOfSlices[name]
        let after = slice.flatMap { $0.serviceName.isEmpty ? nil : $0.serviceName }
        guard before != after else { return }
        servicesOfSlices[name] = after
        for (service, step) in [(before, -1), (after, 1)] {
            guard let service else { continue }
            let owner = ObjectName(namespace: name.namespace, name: service)
            let count = (sliceCounts[owner] ?? 0) + step
            sliceCounts[owner] = count == 0 ? nil : count
            dirty.insert(owner)
        }
    }

    mutating func setEndpoints(_ manifest: EndpointsObject?, name: ObjectName) {
        endpoints[name] = manifest
        dirty.insert(name)
    }

    mutating func setPod(_ pod: PodObject?, name: ObjectName) {
        for (key, value) in pods[name]?.labels ?? [:] {
            let label = Label(namespace: name.namespace, key: key, value: value)
            dirtyLabels.insert(label)
            podsByLabel.remove(name, at: label)
        }
        pods[name] = pod
        for (key, value) in pod?.labels ?? [:] {
            let label = Label(namespace: name.namespace, key: key, value: value)
            dirtyLabels.insert(label)
            podsByLabel[label, default: []].insert(name)
        }
    }

    /// One pass over the Services in place of an index of their selectors, which would outweigh them.
    private mutating func markServicesOfChangedPods() {
        if dirtyLabels.isEmpty { return }
        for (name, service) in services {
            guard let selector = service.selector, let label = Self.index(of: selector, in: name.namespace) else {
                continue
            }
            if dirtyLabels.contains(label) { dirty.insert(name) }
        }
        dirtyLabels = []
    }

    /// One label stands for a whole selector: a pod that lacks it cannot match.
    private static func index(of selector: [String: String], in namespace: String) -> Label? {
        selector.min { $0.key < $1.key }.map { Label(namespace: namespace, key: $0.key, value: $0.value) }
    }

    private func matchingPods(_ selector: [String: String], in namespace: String) -> [(name: String, pod: PodObject)] {
        guard let label = Self.index(of: selector, in: namespace) else { return [] }
        return (podsByLabel[label] ?? []).sorted().compactMap { name in
            guard let pod = pods[name] else { return nil }
            return selector.allSatisfy { pod.labels[$0.key] == $0.value } ? (name.name, pod) : nil
        }
    }
}

extension Dictionary {
    fileprivate mutating func remove<Element>(_ element: Element, at key: Key) where Value == Set<Element> {
        self[key]?.remove(element)
        if self[key]?.isEmpty == true { self[key] = nil }
    }
}
