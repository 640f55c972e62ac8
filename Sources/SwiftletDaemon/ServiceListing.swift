package import ServiceMaps
import ServiceModel

/// What `swiftlet services` prints: the maps' contents by Service, with the daemon's explanations where one runs.
///
/// Addresses, ports, backends, affinity and counts are read from the maps, so they are what connects really meet.
package struct ServiceListing: Codable, Sendable {
    package struct Item: Codable, Sendable, Hashable {
        package var namespace: String
        package var name: String
        /// Kubernetes' type; "unknown" when no daemon can be asked.
        package var type: String
        package var externalTrafficPolicy: String?
        package var internalTrafficPolicy: String?
        /// Why it is rightly not programmed: headless, ExternalName; nil when it is.
        package var leftAlone: String?
        package var leftAloneCode: String?
        /// Where the documentation has that code.
        package var docs: String?
        package var ports: [Port]
        package var problems: [String]
    }

    package struct Port: Codable, Sendable, Hashable {
        package var name: String
        package var `protocol`: String
        package var family: Int
        package var serviceID: UInt32?
        package var affinitySeconds: UInt32
        /// Why it has no backend; nil when it has one.
        package var reason: String?
        /// The reason's code, of `swiftlet help reasons`.
        package var reasonCode: String?
        /// Where the documentation has that code.
        package var docs: String?
        /// What to know of one that has a backend: clients that get none, or endpoints that are its last.
        package var remark: String?
        package var remarkCode: String?
        /// Those of the Service's problems that are about addresses of this port and family.
        package var addressProblems: [String]?
        package var connections: Connections
        /// Which clients the restricted frontends admit (spec 24).
        package var sourceRanges: [String]
        package var frontends: [Frontend]
        package var backends: [Backend]
    }

    package struct Connections: Codable, Sendable, Hashable {
        package var forwarded: UInt64
        /// For whatever reason.
        package var refused: UInt64
        /// The same by the names of `RefusalReason`; a reason that never came up has no entry.
        package var refusedByReason: [String: UInt64]

        /// Nothing was counted.
        package static let none = Connections(nil)

        /// - Parameter counter: nil for what is not counted one by one.
        init(_ counter: ServiceCounter?) {
            forwarded = counter?.forwarded ?? 0
            refused = counter?.refused ?? 0
            let refusals = counter?.refusals.map { ($0.key.rawValue, $0.value) } ?? []
            refusedByReason = Dictionary(uniqueKeysWithValues: refusals)
        }
    }

    package struct Frontend: Codable, Sendable, Hashable {
        package var address: String
        package var port: Int
        package var `protocol`: String
        package var kind: String
        package var action: String
        package var policy: String
        package var scope: String
        /// Only clients in the port's source ranges are admitted.
        package var restricted: Bool
    }

    package struct Backend: Codable, Sendable, Hashable {
        package var address: String
        package var port: Int
        package var state: String
        package var local: Bool
        package var zone: String
        /// How often it was chosen; nil without --metrics-per-backend.
        package var forwarded: UInt64?
    }

    /// Raised by a change that could surprise a reader.
    package var schema = 1
    package var services: [Item]

    /// Joins what the maps say with what the daemon says, if there is one; sorted by name.
    package init(programmed: ProgrammedState, reports: [ServiceReport]?) {
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
            leftAlone: report.leftAlone, leftAloneCode: report.leftAloneCode, docs: Self.docs(of: report.leftAloneCode),
            ports: report.ports.map { port in
                ServiceListing.Port(
                    name: port.name, protocol: port.protocol, family: port.family, serviceID: nil, affinitySeconds: 0,
                    reason: port.reason, reasonCode: port.reasonCode, docs: Self.docs(of: port.reasonCode),
                    remark: port.remark, remarkCode: port.remarkCode, addressProblems: port.addressProblems,
                    connections: .init(nil), sourceRanges: [], frontends: [], backends: [])
            },
            problems: report.problems)
    }

    fileprivate init(unexplained name: ObjectName) {
        self.init(
            namespace: name.namespace, name: name.name, type: "unknown", externalTrafficPolicy: nil,
            internalTrafficPolicy: nil, leftAlone: nil, leftAloneCode: nil, docs: nil, ports: [], problems: [])
    }

    private static func docs(of code: String?) -> String? {
        code.flatMap(ReasonCode.init(rawValue:))?.docs
    }

    /// What is to be said beside one of its ports: what is about other ports' addresses is said there.
    package func problems(of port: ServiceListing.Port) -> [String] {
        let others = Set(ports.flatMap { $0.addressProblems ?? [] }).subtracting(port.addressProblems ?? [])
        return problems.filter { !others.contains($0) }
    }

    fileprivate mutating func take(_ port: ProgrammedState.Port, named name: ServicePortName) {
        let known = ports.firstIndex {
            $0.name == name.port && $0.protocol == "\(name.proto)" && $0.family == Int(name.family.rawValue)
        }
        var listed = ServiceListing.Port(port, named: name)
        guard let known else { return ports.append(listed) }
        (listed.reason, listed.reasonCode) = (ports[known].reason, ports[known].reasonCode)
        (listed.remark, listed.remarkCode) = (ports[known].remark, ports[known].remarkCode)
        listed.docs = ports[known].docs
        listed.addressProblems = ports[known].addressProblems
        ports[known] = listed
    }
}

extension ServiceListing.Port {
    fileprivate init(_ port: ProgrammedState.Port, named name: ServicePortName) {
        self.init(
            name: name.port, protocol: "\(name.proto)", family: Int(name.family.rawValue), serviceID: port.id.number,
            affinitySeconds: port.frontends.first?.entry.affinitySeconds ?? 0, reason: nil, reasonCode: nil, docs: nil,
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
