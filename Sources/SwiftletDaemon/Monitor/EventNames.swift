import BPFLoader
package import DatapathInstall
package import ServiceMaps
package import ServiceModel

/// The names behind the numbers of events: read from the maps now and then, because numbers may get other names.
package struct EventNames {
    private let pins: DatapathPins
    private var ports: [ServiceID: ServicePortName] = [:]
    private var addresses: [IPAddress: ObjectName] = [:]
    private var readAt: Duration?
    private var addressesReadAt: Duration?
    private var devices: [UInt32: String] = [:]
    private var devicesReadAt: Duration?

    package init(pins: DatapathPins) { self.pins = pins }

    /// The service port of an event; nil if none has to do with it.
    package mutating func port(of event: DatapathEvent) throws -> ServicePortName? {
        guard let id = event.service else { return nil }
        if isOld(readAt, after: .seconds(1)) || (ports[id] == nil && isOld(readAt, after: .milliseconds(100))) {
            ports = try ServicePortNames.read(from: BPFMapStore(pins: pins))
            readAt = KernelClock.now
        }
        return ports[id]
    }

    /// The Service of an event: its service port's, or the one whose address was asked for another port.
    package mutating func service(of event: DatapathEvent) throws -> ObjectName? {
        if let port = try port(of: event) { return port.service }
        guard event.isRefusal, let vip = event.vip else { return nil }
        if isOld(addressesReadAt, after: .seconds(5)) {
            let state = try ProgrammedState.read(from: BPFMapStore(pins: pins))
            addresses = [:]
            for port in state.ports {
                guard let name = port.name else { continue }
                for frontend in port.frontends { addresses[frontend.key.address] = name.service }
            }
            addressesReadAt = KernelClock.now
        }
        return addresses[vip.address]
    }

    /// The name of a flow's device; nil for others, which may be in any network namespace.
    package mutating func device(of event: DatapathEvent) -> String? {
        guard event.kind == .flow, let index = event.device else { return nil }
        if isOld(devicesReadAt, after: .seconds(1)) {
            devices = Dictionary(
                ((try? NetworkDevice.all()) ?? []).map { ($0.index, $0.name) }, uniquingKeysWith: { _, last in last })
            devicesReadAt = KernelClock.now
        }
        return devices[index]
    }

    private func isOld(_ moment: Duration?, after age: Duration) -> Bool {
        moment.map { KernelClock.now - $0 > age } ?? true
    }
}
