import KubernetesObjects
import NameServer
package import ServiceModel
import ServiceNames
package import Settings

extension ControlPlane {
    /// Gives names what they lead to now: after the maps, and from the same values.
    func updateNames(_ dirty: Set<ObjectName>) {
        guard let names else { return }
        names.table.update(
            dirty.map { name in
                let service = state.service(named: name)
                return (name, service.flatMap { ServiceRecords($0, slices: state.slices(of: name)) })
            }, isComplete: hasCompleteList || hasCachedState)
        guard hasCompleteList, !hasWholeNames else { return }
        // What was answered before the list came may have other names. What cannot be read may define one of them still: a
        // broken manifest takes no name away, as it takes no VIP away.
        if problems.contains(where: { $0.hides == .anything }) { return }
        hasWholeNames = spared.isEmpty
        names.table.keepOnly(spared.union(state.serviceNames))
    }

    /// Names what a cache says while no list has come. The maps, which may be newer, stay as they are.
    func name(cached batch: StateBatch) {
        // What the process before has left is newer.
        guard let names, !hasCompleteList, names.table.completeZone == nil else { return }
        var cached = ClusterState(ownNode: nodeName, keepsHeadless: true)
        _ = cached.apply(batch.events)
        names.table.update(
            cached.serviceNames.map { name in
                (name, cached.service(named: name).flatMap { ServiceRecords($0, slices: cached.slices(of: name)) })
            }, isComplete: true)
    }
}

extension ControlPlane {
    /// Leaves out what has a name of swiftlet's own Service of DNS, or would be one of its slices: `--dns-service-ip` goes on
    /// leading to the name server.
    func withoutNamesakes(_ events: [ClusterEvent], isWhole: Bool) -> [ClusterEvent] {
        guard !ownSubjects.isEmpty else { return events }
        if isWhole { namesakes = [:] }
        let own = NameSettings.service
        let others = events.filter { event in
            let object: String
            switch event {
            case .service(let service) where ownSubjects.contains(event.subject): object = "Service \(service.name)"
            case .slice(let slice)
            where ownSubjects.contains(event.subject)
                || slice.name.namespace == own.namespace && slice.serviceName == own.name:
                object = "EndpointSlice \(slice.name)"
            default:
                namesakes[event.subject] = nil
                return !ownSubjects.contains(event.subject)
            }
            namesakes[event.subject] = object
            return false
        }
        let objects = namesakes.values.sorted().joined(separator: ", ")
        setAttention(
            "an object has the name of swiftlet's own Service",
            to: namesakes.isEmpty
                ? nil
                : "\(objects): passed over, \(own) is the Service of --dns-service-ip; rename it, or leave the flag out"
        )
        return others
    }
}

extension NameSettings {
    /// The objects that make VIPs of DNS lead to the name server; none where no VIP is asked for.
    package var objects: [ClusterEvent] {
        if serviceIPs.isEmpty { return [] }
        var service = Service(name: Self.service)
        service.clusterIPs = serviceIPs
        // Older than any object, so that none takes the VIP away.
        service.created = UnixTime(nanoseconds: 0)
        guard let port = Port(53) else { return [] }
        service.ports = [
            .init(name: "dns", proto: .udp, port: port), .init(name: "dns-tcp", proto: .tcp, port: port),
        ]
        return [.service(service)]
            + serviceIPs.compactMap { address in
                guard let backend = backend(for: address.family), let port = Port(Int(backend.port)) else { return nil }
                let name = ObjectName(
                    namespace: Self.service.namespace, name: "\(Self.service.name)-ipv\(address.family.rawValue)")
                var slice = EndpointSlice(
                    name: name, serviceName: Self.service.name, addressType: address.family == .v4 ? .ipv4 : .ipv6)
                slice.ports = [
                    .init(name: "dns", proto: .udp, port: port), .init(name: "dns-tcp", proto: .tcp, port: port),
                ]
                slice.endpoints = [Endpoint(address: backend.address)]
                return .slice(slice)
            }
    }

    /// The Service that VIPs of DNS belong to.
    static let service = ObjectName(namespace: "kube-system", name: "swiftlet-dns")
}
