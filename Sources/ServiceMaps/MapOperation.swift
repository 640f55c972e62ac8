package import ServiceModel

/// One thing to write, small enough to succeed or fail as a whole.
package enum MapOperation: Sendable, Hashable {
    /// Counting starts at zero for a service port, whichever had its id before.
    case resetCounter(ServiceID)
    case putName(ServiceID, ServicePortName)
    case putBackend(BackendID, BackendEntry)
    /// Fills a run from its first slot on; it is not read yet.
    case putSlots(IPFamily, first: UInt32, [SlotEntry])
    /// Lets clients in that range use the restricted frontends of a service port.
    case putSourceRange(CIDR, of: ServiceID)
    /// Sets a bit of the filter, so that what it stands for is looked up.
    case mark(FilterBit)
    /// Creates or replaces a frontend: what is atomic for the datapath.
    case putService(FrontendKey, ServiceEntry)
    case deleteService(FrontendKey)
    case putVIP(IPAddress, VIPEntry)
    case deleteVIP(IPAddress)
    case putNodePort(NodePortKey, ServiceID)
    case deleteNodePort(NodePortKey)
    /// Frees the slots of a run that is no longer read.
    case clearSlots(IPFamily, SlotRun)
    case deleteSourceRange(CIDR, of: ServiceID)
    /// What was counted for a backend goes with it.
    case deleteBackendCounter(BackendID)
    case deleteBackend(BackendID, of: ServiceID, address: IPAddress, port: UInt16)
    case deleteName(ServiceID)

    /// The map that it writes.
    package var map: ServiceMap {
        switch self {
        case .resetCounter: .serviceCounters
        case .putName, .deleteName: .servicePorts
        case .putBackend(_, let entry): .backends(entry.address.family)
        case .deleteBackend(_, _, let address, _): .backends(address.family)
        case .putSlots(let family, _, _), .clearSlots(let family, _): .slots(family)
        case .putSourceRange(let range, _), .deleteSourceRange(let range, _): .sourceRanges(range.family)
        case .deleteBackendCounter: .backendCounters
        case .putService(let key, _), .deleteService(let key): .services(key.address.family)
        case .mark: .vipFilter
        case .putVIP(let address, _), .deleteVIP(let address): .vips(address.family)
        case .putNodePort, .deleteNodePort: .nodePorts
        }
    }

    /// Whether it removes an entry.
    var isDeletion: Bool {
        switch self {
        case .deleteService, .deleteVIP, .deleteNodePort, .deleteSourceRange, .deleteBackendCounter, .deleteBackend,
            .deleteName:
            true
        default: false
        }
    }
}

/// An operation and the service port that waits for it.
struct PlannedOperation: Sendable, Hashable {
    var operation: MapOperation
    var owner: ServiceID
}
