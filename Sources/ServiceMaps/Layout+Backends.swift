internal import CDatapath
internal import ServiceModel

/// `backends4/6`: the key is the backend's id, the value this.
protocol BackendLayout: AddressLayout {
    associatedtype Zone: BitwiseCopyable

    var service_id: UInt32 { get set }
    var port: UInt16 { get set }
    var `protocol`: ip_protocol { get set }
    var state: backend_state { get set }
    var node_local: UInt8 { get set }
    var in_cluster: UInt8 { get set }
    var in_local: UInt8 { get set }
    var zone: Zone { get set }
}

extension backend4: BackendLayout {}
extension backend6: BackendLayout {}

extension BackendLayout {
    init(_ entry: BackendEntry) {
        self.init()
        service_id = entry.service.number
        ipAddress = entry.address
        port = entry.port.number
        `protocol` = ip_protocol(entry.proto)
        state = entry.state == .active ? ACTIVE : TERMINATING
        node_local = entry.isLocal ? 1 : 0
        in_cluster = entry.inCluster ? 1 : 0
        in_local = entry.inLocal ? 1 : 0
        FixedText.store(entry.zone, in: &zone)
    }

    /// Nil for what this program never writes.
    var decoded: BackendEntry? {
        guard service_id != 0, let port = Port(Int(port)), let proto = `protocol`.decoded else { return nil }
        return BackendEntry(
            service: ServiceID(service_id), address: ipAddress, port: port, proto: proto,
            state: state == ACTIVE ? .active : .terminating, isLocal: node_local != 0, inCluster: in_cluster != 0,
            inLocal: in_local != 0, zone: FixedText.load(zone))
    }

    /// How many bytes of a zone's name are kept, the NUL included.
    static var zoneSize: Int { MemoryLayout<Zone>.size }
}
