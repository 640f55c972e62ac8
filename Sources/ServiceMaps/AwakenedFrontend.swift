package import ServiceModel

/// A frontend that has begun to lead somewhere: it is new, or had no endpoint before.
package struct AwakenedFrontend: Sendable, Hashable {
    package var address: IPAddress
    package var port: UInt16
    package var service: ServicePortName
    /// A ClusterIP is an address of no device: a socket that is connected to it without us waits for this Service.
    package var isClusterIP: Bool

    package init(address: IPAddress, port: UInt16, service: ServicePortName, isClusterIP: Bool) {
        self.address = address
        self.port = port
        self.service = service
        self.isClusterIP = isClusterIP
    }
}

extension Mirror {
    /// To be asked before the new entry is in the mirror.
    func awakened(_ key: FrontendKey, by entry: ServiceEntry) -> AwakenedFrontend? {
        // Sockets that are left to their packets are left to wait, too.
        guard key.scope == .fromNode, entry.action == .balance, !entry.leavesSockets,
            let name = records[entry.service]?.name
        else {
            return nil
        }
        if let owner = owners[key], let record = records[owner], case let (index, true) = record.position(of: key),
            record.frontends[index].entry.action == .balance
        {
            return nil
        }
        return AwakenedFrontend(
            address: key.address, port: key.port.number, service: name, isClusterIP: entry.kind == .clusterIP)
    }
}
