import BPFLoader
import CDatapath
package import DatapathInstall
package import ServiceMaps
package import ServiceModel
package import Settings

/// What the maps remember of clients: flows, affinities and the sockets' way back, each with the names of its Service.
package struct MapMemory: Sendable {
    /// The service port that something belongs to; empty names for one that has gone.
    package struct ServicePort: Codable, Sendable, Hashable {
        package var namespace: String
        package var service: String
        package var port: String

        package init(namespace: String, service: String, port: String) {
            self.namespace = namespace
            self.service = service
            self.port = port
        }
    }

    let pins: DatapathPins
    let timeouts: FlowTimeouts
    private var names: [UInt32: ServicePortName] = [:]
    /// By service id, in seconds.
    private var affinities: [UInt32: UInt32] = [:]
    private var backends: [IPFamily: [UInt32: BackendEntry]] = [:]

    /// - Parameters:
    ///   - programmed: the same maps, for names.
    ///   - timeouts: those in force, which the daemon knows.
    package init(pins: DatapathPins, programmed: ProgrammedState, timeouts: FlowTimeouts) {
        self.pins = pins
        self.timeouts = timeouts
        for port in programmed.ports {
            names[port.id.number] = port.name
            affinities[port.id.number] = port.frontends.map(\.entry.affinitySeconds).max()
            for backend in port.backends {
                backends[backend.entry.address.family, default: [:]][backend.id.number] = backend.entry
            }
        }
    }

    /// Services that are in the maps.
    package var services: [ObjectName] { Set(names.values.map(\.service)).sorted() }

    func owner(_ service: UInt32) -> ServicePort {
        let name = names[service]
        return ServicePort(
            namespace: name?.service.namespace ?? "", service: name?.service.name ?? "", port: name?.port ?? "")
    }

    func proto(_ service: UInt32) -> IPProtocol? { names[service]?.proto }

    func affinitySeconds(_ service: UInt32) -> UInt32 { affinities[service] ?? 0 }

    func backend(_ id: UInt32, of service: UInt32) -> BackendEntry? {
        names[service].flatMap { backends[$0.family]?[id] }
    }
}

extension Duration {
    /// Whole seconds, no part of one; nothing is negative.
    var wholeSeconds: Int { Int(max(components.seconds, 0)) }
}

extension IPAddress {
    /// Four bytes, or sixteen in which IPv4 is written as `::ffff:a.b.c.d`; nil for an address of zeros.
    init?(field: some BitwiseCopyable) {
        let bytes = withUnsafeBytes(of: field) { Array($0) }
        guard bytes.contains(where: { $0 != 0 }) else { return nil }
        let isMapped = bytes.count == 16 && bytes.starts(with: Array(repeating: 0, count: 10) + [0xff, 0xff])
        if bytes.count == 4 || isMapped {
            self.init(v4: bytes.suffix(4).reduce(0) { $0 << 8 | UInt32($1) })
        } else {
            let halves = [bytes.prefix(8), bytes.suffix(8)].map { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
            self.init(v6: halves[0], halves[1])
        }
    }
}
