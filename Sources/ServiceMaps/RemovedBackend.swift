package import ServiceModel

/// A backend that no program can find any more: it serves no client, and sockets that are connected to it are stuck.
package struct RemovedBackend: Sendable, Hashable {
    package var id: BackendID
    package var address: IPAddress
    package var port: UInt16
    package var service: ServicePortName

    package init(id: BackendID, address: IPAddress, port: UInt16, service: ServicePortName) {
        self.id = id
        self.address = address
        self.port = port
        self.service = service
    }
}

extension Mirror {
    /// The backends that a plan is about to remove; to be asked before it is carried out, while their names are known.
    func backends(removedBy plan: [PlannedOperation]) -> [RemovedBackend] {
        plan.compactMap { planned in
            guard case .deleteBackend(let id, let service, let address, let port) = planned.operation,
                let name = records[service]?.name
            else { return nil }
            return RemovedBackend(id: id, address: address, port: port, service: name)
        }
    }
}
