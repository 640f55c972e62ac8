internal import CDatapath
internal import ServiceModel

/// `node_ports`, the key.
extension node_port_key {
    init(_ key: NodePortKey) {
        self.init()
        port = key.port.number
        `protocol` = ip_protocol(key.proto)
    }

    /// Nil for what this program never writes.
    var decoded: NodePortKey? {
        guard let port = Port(Int(port)), let proto = `protocol`.decoded else { return nil }
        return NodePortKey(port: port, proto: proto)
    }
}

/// `node_ports`, the value.
extension node_port {
    init(_ service: ServiceID) { self.init(service_id: service.number) }
}
