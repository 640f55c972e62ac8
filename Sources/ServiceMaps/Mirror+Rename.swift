internal import ServiceModel

extension Mirror {
    /// Gives a Service's port that is new by its name the id of the port whose frontend it takes over, if that one goes.
    ///
    /// A name is for people: what leads the same address and port to the same endpoint is the same, whatever the port
    /// or the Service is called (spec 50). With the id, sockets, flows and affinity keep what they have.
    ///
    /// - Parameter leaving: other Services that go with the same write.
    mutating func renamePorts(of service: DesiredService, leaving: Set<ObjectName>) {
        let ids = services[service.name] ?? []
        guard !ids.isEmpty || !leaving.isEmpty else { return }
        let wanted = Set(service.ports.map(\.name))
        for port in service.ports where id(of: port.name) == nil {
            let heir = port.frontends.compactMap { owners[$0.key] }.first { id in
                guard let record = records[id], let name = record.name, name.proto == port.name.proto,
                    name.family == port.name.family
                else { return false }
                if name.service == service.name { return !wanted.contains(name) }
                return leaving.contains(name.service) && record.leadsAs(port)
            }
            if let heir { rename(heir, to: port.name) }
        }
    }

    private mutating func rename(_ id: ServiceID, to name: ServicePortName) {
        unlist(id)
        services[name.service, default: []].append(id)
        records[id]?.name = name
        // It is written anew in the place of the old one, and counted again when it is.
        guard records[id]?.isNameWritten == true else { return }
        records[id]?.isNameWritten = false
        fill[.servicePorts] -= 1
    }
}

extension PortRecord {
    /// Whether it admits the same clients as this service port, and leads some of them to the same endpoints. An address
    /// that another Service happens to be given is another matter.
    fileprivate func leadsAs(_ port: DesiredServicePort) -> Bool {
        isRestricted == port.isRestricted && Set(ranges.filter(\.isWanted).map(\.range)) == port.sourceRanges
            && port.backends.contains { position(of: $0.address, $0.port.number).found }
    }
}
