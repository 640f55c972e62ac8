import ServiceModel

extension ServiceObject {
    /// A port that cannot be used is left out. If none is left, a mistake must not end what is served, but a protocol that is
    /// not known here is no mistake: the Service is as it should be, and serves nothing.
    mutating func readPorts(_ spec: Field) {
        let fields = spec.list(.ports)
        var earlier = EarlierPorts()
        for (index, field) in fields.enumerated() {
            let read = field.element { field -> Service.PortSpec? in
                let name = field.name(.name, .label)
                let proto = field.proto
                guard let port = field.requiredPort(.port) else { return nil }
                if name.isEmpty && fields.count > 1 {
                    field.reportMissing(.name, "give each port of the Service a name")
                }
                earlier.check(field, name: name, proto: proto, port: port)
                return Service.PortSpec(name: name, proto: proto, port: port)
            }
            guard var port = read else { continue }
            port.nodePort = field.element { field in
                let nodePort = field.optionalPort(.nodePort)
                if let nodePort { earlier.check(field, nodePort: nodePort, proto: port.proto) }
                return nodePort
            }
            earlier.add(port, at: index)
            service.ports.append(port)
            // It leads to pods of manifests only; slices have numbers of their own.
            targets.append(field.element(\.targetPort) ?? .unusable)
        }
        if service.ports.isEmpty && fields.contains(where: { !$0.hasForeignProtocol }) { spec.findings.refuse() }
        if fields.isEmpty && !service.isHeadless && service.kind != .externalName {
            spec.reportMissing(.ports, "write at least one port")
        }
    }
}

/// A name, a port of one protocol and a NodePort of one protocol stand for one thing only (spec 39).
private struct EarlierPorts {
    private struct Number: Hashable {
        var port: Port
        var proto: IPProtocol
    }

    private var names: [String: Int] = [:]
    private var ports: [Number: Int] = [:]
    private var nodePorts: [Number: Int] = [:]

    mutating func add(_ port: Service.PortSpec, at index: Int) {
        names[port.name] = index
        ports[Number(port: port.port, proto: port.proto)] = index
        if let nodePort = port.nodePort { nodePorts[Number(port: nodePort, proto: port.proto)] = index }
    }

    func check(_ field: Field, name: String, proto: IPProtocol, port: Port) {
        if let index = ports[Number(port: port, proto: proto)] {
            field.report(.port, "repeats \(port)/\(proto) of spec.ports[\(index)]", "write each port once")
        }
        if !name.isEmpty, let index = names[name] {
            field.report(.name, "repeats \(name) of spec.ports[\(index)]", "give each port its own name")
        }
    }

    func check(_ field: Field, nodePort: Port, proto: IPProtocol) {
        guard let index = nodePorts[Number(port: nodePort, proto: proto)] else { return }
        field.report(.nodePort, "repeats \(nodePort)/\(proto) of spec.ports[\(index)]", "write another NodePort")
    }
}

extension Field {
    /// A text that names none of ours.
    fileprivate var hasForeignProtocol: Bool {
        guard isMap, let field = self[.protocol], !field.isBlank, let text = field.apart.text else { return false }
        return IPProtocol(text) == nil
    }

    func requiredPort(_ key: FieldName) -> Port? {
        if let field = self[key] { return field.port }
        reportMissing(key, "write a port from 1 to 65535")
        return nil
    }

    /// A number, the name of a container port, or nothing for the service port's own number.
    fileprivate var targetPort: ServiceObject.TargetPort {
        guard let field = self[.targetPort], !field.isBlank, field.shown != "0" else { return .samePort }
        if case .plain(let text) = field.value, Int(text) != nil { return field.port.map { .number($0) } ?? .samePort }
        guard let text = field.text else { return .samePort }
        if Int(text) != nil {
            field.report(
                "is \(field.shown)", "write a number without quotes, or a port's name with a letter in it")
        }
        return .named(text)
    }
}
