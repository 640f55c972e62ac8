import KubernetesObjects
import ServiceModel

extension SliceSynthesis {
    /// Slices of the pods that a selector found: one for each family and for each set of port numbers, since a
    /// named target port may stand for different numbers on different pods (spec 6).
    func podSlices(of name: ObjectName, _ service: ServiceEntry, pods: [(name: String, pod: PodObject)])
        -> [EndpointSlice]
    {
        var slices: [ObjectName: EndpointSlice] = [:]
        for (podName, pod) in pods where !pod.isOver {
            let numbers = zip(service.ports, service.targets).map { Self.resolve($1, of: $0, on: pod) }
            let shown = numbers.map { $0.map { "\($0)" } ?? "none" }.joined(separator: ".")
            for family in IPFamily.allCases where service.families.isEmpty || service.families.contains(family) {
                guard let address = pod.addresses.first(where: { $0.family == family }) else { continue }
                let sliceName = ObjectName(
                    namespace: name.namespace,
                    name: "\(name.name)@pods-\(family.tag)" + (shown.isEmpty ? "" : "-\(shown)"))
                var slice = slices[sliceName] ?? Self.emptySlice(sliceName, of: name, family)
                if slice.endpoints.isEmpty {
                    slice.ports = zip(service.ports, numbers).compactMap { port, number in
                        number.map { EndpointSlice.PortSpec(name: port.name, proto: port.proto, port: $0) }
                    }
                }
                slice.endpoints.append(
                    Endpoint(
                        address: address,
                        ready: service.publishesNotReady || (pod.isReady && !pod.isTerminating),
                        serving: pod.isReady, terminating: pod.isTerminating, nodeName: pod.nodeName, pod: podName))
                // The pod's own name below a Service that it names (spec.subdomain), as Kubernetes sets it.
                if pod.subdomain == name.name, !pod.hostname.isEmpty { slice.hostnames[address] = pod.hostname }
                slices[sliceName] = slice
            }
        }
        return slices.values.sorted { $0.name < $1.name }
    }

    private static func resolve(
        _ target: ServiceObject.TargetPort, of port: Service.PortSpec, on pod: PodObject
    ) -> Port? {
        switch target {
        case .samePort: port.port
        case .number(let number): number
        case .unusable: nil
        case .named(let name): pod.ports.first { $0.name == name && $0.proto == port.proto }?.port
        }
    }

    /// Slices of an Endpoints object, as Kubernetes mirrors them: ready addresses and the others.
    func mirroredSlices(of name: ObjectName, _ endpoints: EndpointsObject) -> [EndpointSlice] {
        if endpoints.isExempt { return [] }
        var slices: [EndpointSlice] = []
        for (index, subset) in endpoints.subsets.enumerated() {
            for family in IPFamily.allCases {
                let members = subset.addresses.filter { $0.address.family == family }
                if members.isEmpty { continue }
                let sliceName = ObjectName(
                    namespace: name.namespace, name: "\(name.name)@endpoints-\(family.tag)-\(index)")
                var slice = Self.emptySlice(sliceName, of: name, family)
                slice.ports = subset.ports
                slice.endpoints = members.map {
                    Endpoint(address: $0.address, ready: $0.isReady, serving: $0.isReady, nodeName: $0.nodeName)
                }
                for member in members { slice.hostnames[member.address] = member.hostname }
                slices.append(slice)
            }
        }
        return slices
    }

    private static func emptySlice(_ name: ObjectName, of service: ObjectName, _ family: IPFamily) -> EndpointSlice {
        var slice = EndpointSlice(
            name: name, serviceName: service.name, addressType: EndpointSlice.AddressType(family))
        slice.labels = ["kubernetes.io/service-name": service.name]
        return slice
    }
}

extension IPFamily {
    fileprivate var tag: String { self == .v4 ? "ipv4" : "ipv6" }
}
