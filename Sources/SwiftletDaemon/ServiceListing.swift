public import ServiceMaps
import ServiceModel

/// What `swiftlet services` prints: the maps' contents by Service, with the daemon's explanations where one runs.
///
/// Addresses, ports, backends, affinity and counts are read from the maps, so they are what connects really meet.
public struct ServiceListing: Codable, Sendable {
    public struct Item: Codable, Sendable {
        public var namespace: String
        public var name: String
        /// Kubernetes' type; "unknown" when no daemon can be asked.
        public var type: String
        public var externalTrafficPolicy: String?
        public var internalTrafficPolicy: String?
        /// Why it is rightly not programmed: headless, ExternalName; nil when it is.
        public var leftAlone: String?
        public var ports: [Port]
        public var problems: [String]
    }

    public struct Port: Codable, Sendable {
        public var name: String
        public var `protocol`: String
        public var family: Int
        public var serviceID: UInt32?
        public var affinitySeconds: UInt32
        /// Why it has no backend; nil when it has one.
        public var reason: String?
        public var connections: Connections
        /// Which clients the restricted frontends admit (spec 24).
        public var sourceRanges: [String]
        public var frontends: [Frontend]
        public var backends: [Backend]
    }

    public struct Connections: Codable, Sendable {
        public var forwarded: UInt64
        /// For whatever reason.
        public var refused: UInt64
        /// The same by the names of `RefusalReason`; a reason that never came up has no entry.
        public var refusedByReason: [String: UInt64]

        /// - Parameter counter: nil for what is not counted one by one.
        init(_ counter: ServiceCounter?) {
            forwarded = counter?.forwarded ?? 0
            refused = counter?.refused ?? 0
            let refusals = counter?.refusals.map { ($0.key.rawValue, $0.value) } ?? []
            refusedByReason = Dictionary(uniqueKeysWithValues: refusals)
        }
    }

    public struct Frontend: Codable, Sendable {
        public var address: String
        public var port: Int
        public var `protocol`: String
        public var kind: String
        public var action: String
        public var policy: String
        public var scope: String
        /// Only clients in the port's source ranges are admitted.
        public var restricted: Bool
    }

    public struct Backend: Codable, Sendable {
        public var address: String
        public var port: Int
        public var state: String
        public var local: Bool
        public var zone: String
        /// How often it was chosen; nil without --metrics-per-backend.
        public var forwarded: UInt64?
    }

    public var services: [Item]

    /// Joins what the maps say with what the daemon says, if there is one; sorted by name.
    public init(programmed: ProgrammedState, reports: [ServiceReport]?) {
        var items: [ObjectName: Item] = [:]
        for report in reports ?? [] {
            items[ObjectName(namespace: report.namespace, name: report.name)] = Item(report)
        }
        for port in programmed.ports {
            guard let name = port.name, !port.frontends.isEmpty else { continue }
            items[name.service, default: Item(unexplained: name.service)].take(port, named: name)
        }
        services = items.sorted { $0.key < $1.key }.map(\.value)
    }
}

extension ServiceListing.Item {
    /// Every port that the daemon knows, still without what the maps say of it.
    fileprivate init(_ report: ServiceReport) {
        self.init(
            namespace: report.namespace, name: report.name, type: report.type,
            externalTrafficPolicy: report.externalPolicy, internalTrafficPolicy: report.internalPolicy,
            leftAlone: report.leftAlone,
            ports: report.ports.map { port in
                ServiceListing.Port(
                    name: port.name, protocol: port.protocol, family: port.family, serviceID: nil, affinitySeconds: 0,
                    reason: port.reason, connections: .init(nil), sourceRanges: [],
                    frontends: [], backends: [])
            },
            problems: report.problems)
    }

    fileprivate init(unexplained name: ObjectName) {
        self.init(
            namespace: name.namespace, name: name.name, type: "unknown", externalTrafficPolicy: nil,
            internalTrafficPolicy: nil, leftAlone: nil, ports: [], problems: [])
    }

    fileprivate mutating func take(_ port: ProgrammedState.Port, named name: ServicePortName) {
        let known = ports.firstIndex {
            $0.name == name.port && $0.protocol == "\(name.proto)" && $0.family == Int(name.family.rawValue)
        }
        let listed = ServiceListing.Port(port, named: name, reason: known.flatMap { ports[$0].reason })
        if let known { ports[known] = listed } else { ports.append(listed) }
    }
}

extension ServiceListing.Port {
    fileprivate init(_ port: ProgrammedState.Port, named name: ServicePortName, reason: String?) {
        self.init(
            name: name.port, protocol: "\(name.proto)", family: Int(name.family.rawValue), serviceID: port.id.number,
            affinitySeconds: port.frontends.first?.entry.affinitySeconds ?? 0, reason: reason,
            connections: .init(port.counter),
            sourceRanges: port.sourceRanges.map { "\($0)" },
            frontends: port.frontends.map { frontend in
                ServiceListing.Frontend(
                    address: "\(frontend.key.address)", port: Int(frontend.key.port.number),
                    protocol: "\(frontend.key.proto)", kind: frontend.entry.kind.text,
                    action: "\(frontend.entry.action)", policy: frontend.entry.policy.rawValue,
                    scope: "\(frontend.key.scope)", restricted: frontend.entry.isRestricted)
            },
            backends: port.backends.map { backend in
                ServiceListing.Backend(
                    address: "\(backend.entry.address)", port: Int(backend.entry.port.number),
                    state: "\(backend.entry.state)", local: backend.entry.isLocal, zone: backend.entry.zone,
                    forwarded: backend.forwarded)
            })
    }
}
