import ServiceModel

extension ServiceObject {
    mutating func readPorts(_ spec: Field) {
        let fields = spec.list(.ports)
        for field in fields {
            let target = field.targetPort
            let name = field.name(.name, .label)
            let proto = field.proto
            let nodePort = field.optionalPort(.nodePort)
            guard let port = field.requiredPort(.port) else { continue }
            checkAgainstEarlier(field, name: name, proto: proto, port: port, nodePort: nodePort)
            if name.isEmpty && fields.count > 1 {
                field.reportMissing(.name, "give each port of the Service a name")
            }
            service.ports.append(Service.PortSpec(name: name, proto: proto, port: port, nodePort: nodePort))
            targets.append(target)
        }
        if fields.isEmpty && !service.isHeadless && service.kind != .externalName {
            spec.reportMissing(.ports, "write at least one port")
        }
    }

    /// A name, a port of one protocol and a NodePort of one protocol stand for one thing only (spec 39).
    private func checkAgainstEarlier(_ field: Field, name: String, proto: IPProtocol, port: Port, nodePort: Port?) {
        for (index, other) in service.ports.enumerated() {
            if other.proto == proto && other.port == port {
                field.report(.port, "repeats \(port)/\(proto) of spec.ports[\(index)]", "write each port once")
            }
            if let nodePort, other.proto == proto, other.nodePort == nodePort {
                field.report(
                    .nodePort, "repeats \(nodePort)/\(proto) of spec.ports[\(index)]", "write another NodePort")
            }
            if !name.isEmpty && other.name == name {
                field.report(.name, "repeats \(name) of spec.ports[\(index)]", "give each port its own name")
            }
        }
    }
}

extension Field {
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
