internal import ServiceModel

extension Mirror {
    /// Gives a Service's port that has another name now the id of the port whose frontend it has.
    ///
    /// A name is for people: what leads the same address and port to the same endpoint is the same (spec 50). With the
    /// id, sockets, flows and affinity keep what they have.
    mutating func renamePorts(of service: DesiredService) {
        let ids = services[service.name] ?? []
        guard !ids.isEmpty else { return }
        let wanted = Set(service.ports.map(\.name))
        var abandoned = ids.filter { id in records[id]?.name.map { !wanted.contains($0) } ?? false }
        guard !abandoned.isEmpty else { return }
        for port in service.ports where id(of: port.name) == nil {
            let heir = abandoned.first { id in
                guard let name = records[id]?.name, name.proto == port.name.proto, name.family == port.name.family
                else { return false }
                return port.frontends.contains { owners[$0.key] == id }
            }
            guard let heir else { continue }
            abandoned.removeAll { $0 == heir }
            rename(heir, to: port.name)
        }
    }

    private mutating func rename(_ id: ServiceID, to name: ServicePortName) {
        records[id]?.name = name
        // It is written anew in the place of the old one, and counted again when it is.
        guard records[id]?.isNameWritten == true else { return }
        records[id]?.isNameWritten = false
        fill[.servicePorts] -= 1
    }
}
