package import ServiceModel

extension EndpointSlice {
    /// Reads an EndpointSlice; what is wrong is in the field's findings.
    static func read(_ object: Field, name: ObjectName, intern: Interner) -> EndpointSlice {
        let labels = object[.metadata]?.asElement.textMap(.labels) ?? [:]
        let type = object.choice(.addressType, among: ["IPv4", "IPv6", "FQDN"]) { AddressType(rawValue: $0) }
        if object[.addressType]?.isBlank ?? true { object.reportMissing(.addressType, "write IPv4, IPv6 or FQDN") }
        var slice = EndpointSlice(
            name: name, serviceName: intern(labels[serviceNameLabel] ?? ""), addressType: type ?? .ipv4)
        slice.labels = labels
        slice = slice.onlyDecisive
        slice.lastChangeTrigger = object[.metadata]?.asElement[.annotations]?.changeTrigger
        slice.ports = readPorts(object)
        // Names are for DNS: no address here can be a backend (spec 4).
        guard let family = slice.addressType.family else { return slice }
        // Equal placements are shared as a whole, so their texts need not be.
        slice.endpoints = object.list(.endpoints).compactMap { field in
            field.element { field in
                let endpoint = Endpoint.read(field, family: family)
                if let endpoint, let hostname = field.asOptional.text(.hostname), !hostname.isEmpty {
                    slice.hostnames[endpoint.address] = hostname
                }
                return endpoint
            }
        }
        intern.share(&slice.endpoints)
        return slice
    }

    /// The name is empty where none is written, as the API server has it. A port without a number is all
    /// ports, which nothing can be translated to (spec 5).
    static func readPorts(_ parent: Field) -> [PortSpec] {
        var names: Set<String> = []
        return parent.list(.ports).compactMap { field in
            field.element { field in
                let name = field.name(.name, .label)
                let proto = field.proto
                guard let port = field.port(.port) else { return nil }
                if !names.insert("\(name)/\(proto)").inserted {
                    let shown = name.isEmpty ? "an unnamed \(proto) port" : "\(name)/\(proto)"
                    field.report(.name, "repeats \(shown)", "give each port its own name")
                }
                return PortSpec(name: name, proto: proto, port: port)
            }
        }
    }
}

extension Field {
    /// Of annotations: the time of the change (spec 48). One that cannot be read is no reason to refuse the slice.
    fileprivate var changeTrigger: UnixTime? {
        guard let field = self[EndpointSlice.changeTriggerAnnotation] else { return nil }
        return field.text.flatMap { UnixTime($0) }
    }
}

extension EndpointSlice.AddressType {
    var family: IPFamily? {
        switch self {
        case .ipv4: .v4
        case .ipv6: .v6
        case .fqdn: nil
        }
    }

    package init(_ family: IPFamily) { self = family == .v4 ? .ipv4 : .ipv6 }
}

extension Endpoint {
    /// The first address counts (spec 5); conditions that are absent, or cannot be read, have the defaults of spec 7.
    static func read(_ field: Field, family: IPFamily) -> Endpoint? {
        let written = field.list(.addresses)
        guard let first = written.first else {
            field.reportMissing(.addresses, "write the address of the endpoint")
            return nil
        }
        guard !first.isNull, let address = first.endpointAddress else { return nil }
        if address.family != family {
            first.report("is \(first.shown), but addressType is \(family.word)", "move it to a slice of its family")
        }
        let field = field.asOptional
        let conditions = field[.conditions]
        let hints = field[.hints]
        let ready = conditions?.flag(.ready) ?? true
        return Endpoint(
            address: address,
            ready: ready,
            serving: conditions?.flag(.serving) ?? true,
            terminating: conditions?.flag(.terminating) ?? false,
            nodeName: field.text(.nodeName),
            zone: field.text(.zone),
            zoneHints: hints?.list(.forZones).compactMap { $0.text(.name) } ?? [],
            nodeHints: hints?.list(.forNodes).compactMap { $0.text(.name) } ?? [],
            pod: ready ? nil : field.podName)
    }
}

extension Field {
    var endpointAddress: IPAddress? {
        guard let address else { return nil }
        if !address.mayBeEndpoint {
            report(
                "is \(shown): a loopback, unspecified, multicast or link-local address is no endpoint's",
                "write an address that its clients can reach")
        }
        return address
    }

    /// Of an endpoint: the name in `targetRef`, if that is a pod's.
    var podName: String? {
        guard let target = self[.targetRef], target.text(.kind) ?? "Pod" == "Pod" else { return nil }
        return target.text(.name)
    }
}

extension EndpointsObject {
    /// Reads an Endpoints object; what is wrong is in the field's findings.
    static func read(_ object: Field, intern: Interner) -> EndpointsObject {
        var result = EndpointsObject()
        let metadata = object[.metadata]?.asElement
        result.isExempt =
            metadata?.textMap(.labels)["endpointslice.kubernetes.io/skip-mirror"] == "true"
            || metadata?.textMap(.annotations)["control-plane.alpha.kubernetes.io/leader"] != nil
        for field in object.list(.subsets).map(\.asElement) {
            var subset = Subset()
            for (key, isReady) in [(FieldName.addresses, true), (.notReadyAddresses, false)] {
                for entry in field.list(key).map(\.asElement) {
                    let read = entry.element { entry in
                        if entry[.ip] == nil { entry.reportMissing(.ip, "write the address of the endpoint") }
                        return entry[.ip]?.endpointAddress
                    }
                    guard let address = read else { continue }
                    let node = intern(entry.text(.nodeName))
                    let hostname = entry.text(.hostname).flatMap { $0.isEmpty ? nil : $0 }
                    subset.addresses.append(
                        Address(address: address, nodeName: node, hostname: hostname, isReady: isReady))
                }
            }
            subset.ports = EndpointSlice.readPorts(field)
            result.subsets.append(subset)
        }
        return result
    }
}
