internal import CDatapath
internal import ServiceModel

/// `slots4/6`: the key is the slot's number, the value this.
protocol SlotLayout: AddressLayout {
    var service_id: UInt32 { get set }
    var backend_id: UInt32 { get set }
    var port: UInt16 { get set }
}

extension slot4: SlotLayout {}
extension slot6: SlotLayout {}

extension SlotLayout {
    init(_ entry: SlotEntry) {
        self.init()
        service_id = entry.service.number
        backend_id = entry.backend.number
        ipAddress = entry.address
        port = entry.port
    }

    /// Nil for a free slot.
    var decoded: SlotEntry? {
        guard service_id != 0 else { return nil }
        return SlotEntry(
            service: ServiceID(service_id), backend: BackendID(backend_id), address: ipAddress, port: port)
    }
}
