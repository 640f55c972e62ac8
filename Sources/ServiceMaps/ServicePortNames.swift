internal import CDatapath
package import ServiceModel

/// What the numbers of service ports stand for: `service_ports`.
package enum ServicePortNames {
    package static func read<Store: MapStore>(from store: Store) throws(MapError) -> [ServiceID: ServicePortName] {
        var names: [ServiceID: ServicePortName] = [:]
        try store.forEach(in: .servicePorts) { (id: UInt32, value: service_port) in
            if let name = value.decoded { names[ServiceID(id)] = name }
        }
        return names
    }
}
