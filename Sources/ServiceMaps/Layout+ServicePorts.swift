internal import CDatapath
internal import ServiceModel

/// `service_ports`: the key is the service id, the value the names that people use.
///
/// Kubernetes' names fit; a longer one is cut, and then the port gets a new id at each restart.
extension service_port {
    init(_ port: ServicePortName) {
        self.init()
        FixedText.store(port.service.namespace, in: &namespace_)
        FixedText.store(port.service.name, in: &name)
        FixedText.store(port.port, in: &port_name)
        `protocol` = ip_protocol(port.proto)
        family = port.family.rawValue
    }

    /// Nil for what this program never writes.
    var decoded: ServicePortName? {
        guard let proto = `protocol`.decoded, let family = IPFamily(rawValue: family) else { return nil }
        let service = ObjectName(namespace: FixedText.load(namespace_), name: FixedText.load(name))
        return ServicePortName(service: service, port: FixedText.load(port_name), proto: proto, family: family)
    }
}
