public import ServiceModel

/// A backend that no program can find any more: it serves nobody, and sockets that are connected to it are stuck.
public struct RemovedBackend: Sendable, Hashable {
    public var id: BackendID
    public var address: IPAddress
    public var port: UInt16
    public var service: ServicePortName

    public init(id: BackendID, address: IPAddress, port: UInt16, service: ServicePortName) {
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
