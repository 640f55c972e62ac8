package import ServiceMaps
import ServiceModel

/// What `swiftlet diff` prints: how the maps would differ, and whom that touches.
///
/// docs/compile.md describes the JSON; a change that could surprise a reader of it raises `schema`.
package struct ChangeReport: Codable, Sendable, Hashable {
    package enum Change: String, Codable, Sendable, Hashable {
        case added, removed, changed
    }

    package struct Frontend: Codable, Sendable, Hashable {
        package var change: Change
        package var address: String
        package var port: Int
        package var `protocol`: String
        /// `fromNode` or `fromOutside`.
        package var scope: String
        package var namespace: String
        package var service: String
        package var servicePort: String
        /// In words, what it is and where it leads; absent where it is not there.
        package var before: String?
        package var after: String?
    }

    package struct Endpoint: Codable, Sendable, Hashable {
        package var change: Change
        package var address: String
        package var port: Int
        package var `protocol`: String
        package var namespace: String
        package var service: String
        package var servicePort: String
        package var before: String?
        package var after: String?
        /// Open connections of this service port to it, where they are known: sockets of this node, and flows at tc.
        package var sockets = 0
        package var flows = 0
    }

    package var schema = 1
    package var frontends: [Frontend]
    package var endpoints: [Endpoint]
    /// Writes by map.
    package var writes: [String: DraftStore.Writes]
    /// Service ports that would not fit, and why.
    package var failures: [String]
    /// What is wrong in the new manifests; what is refused stays as it is.
    package var problems: [String]
    /// Something of the new manifests cannot be read, parsed or used.
    package var isPartial = false
    /// What cannot be told before the objects are written.
    package var notes: [String] = []

    /// Whether anything would be another than it is.
    package var isEmpty: Bool { frontends.isEmpty && endpoints.isEmpty && writes.isEmpty && failures.isEmpty }
}

extension ChangeReport {
    /// Compares what maps say before and after.
    init(
        from before: ProgrammedState, to after: ProgrammedState, writes: [ServiceMap: DraftStore.Writes],
        failures: [String], problems: [String]
    ) {
        let (old, new) = (Doors(before), Doors(after))
        frontends = Self.compare(old.frontends, new.frontends).map { key, change, before, after in
            Frontend(
                change: change, address: "\(key.frontend.address)", port: Int(key.frontend.port.number),
                protocol: "\(key.frontend.proto)", scope: "\(key.frontend.scope)",
                namespace: key.port.service.namespace, service: key.port.service.name, servicePort: key.port.port,
                before: before, after: after)
        }
        endpoints = Self.compare(old.endpoints, new.endpoints).map { key, change, before, after in
            Endpoint(
                change: change, address: "\(key.address)", port: Int(key.number.number), protocol: "\(key.port.proto)",
                namespace: key.port.service.namespace, service: key.port.service.name, servicePort: key.port.port,
                before: before, after: after)
        }
        self.writes = Dictionary(uniqueKeysWithValues: writes.map { ($0.key.rawValue, $0.value) })
        self.failures = failures
        self.problems = problems
    }

    private static func compare<Key: Comparable & Hashable>(
        _ old: [Key: String], _ new: [Key: String]
    ) -> [(Key, Change, String?, String?)] {
        Set(old.keys).union(new.keys).sorted().compactMap { key in
            switch (old[key], new[key]) {
            case (nil, let after?): (key, .added, nil, after)
            case (let before?, nil): (key, .removed, before, nil)
            case (let before?, let after?) where before != after: (key, .changed, before, after)
            default: nil
            }
        }
    }

    /// Notes the connections that endpoints have which would go, or take no more.
    package mutating func note(sockets: [RememberedSocket], flows: [RememberedFlow]) {
        for index in endpoints.indices where endpoints[index].change != .added {
            let endpoint = endpoints[index]
            func isMeant(_ port: MapMemory.ServicePort, _ address: String, _ number: Int, _ proto: String) -> Bool {
                port.service == endpoint.service && port.namespace == endpoint.namespace
                    && port.port == endpoint.servicePort && address == endpoint.address && number == endpoint.port
                    && proto == endpoint.protocol
            }
            endpoints[index].sockets = sockets.count {
                isMeant($0.servicePort, $0.backend, $0.backendPort, $0.protocol)
            }
            endpoints[index].flows = flows.count {
                $0.isOpen && isMeant($0.servicePort, $0.backend, $0.backendPort, $0.protocol)
            }
        }
    }
}

/// Frontends and endpoints by what names them, each in words.
private struct Doors {
    struct FrontendName: Hashable, Comparable {
        var port: ServicePortName
        var frontend: FrontendKey

        static func < (left: Self, right: Self) -> Bool {
            (left.port, left.frontend) < (right.port, right.frontend)
        }
    }

    struct EndpointName: Hashable, Comparable {
        var port: ServicePortName
        var address: IPAddress
        var number: Port

        static func < (left: Self, right: Self) -> Bool {
            (left.port, left.address, left.number) < (right.port, right.address, right.number)
        }
    }

    var frontends: [FrontendName: String] = [:]
    var endpoints: [EndpointName: String] = [:]

    init(_ state: ProgrammedState) {
        for port in state.ports {
            guard let name = port.name else { continue }
            let ranges = port.sourceRanges.map(\.description).joined(separator: ", ")
            for frontend in port.frontends {
                frontends[FrontendName(port: name, frontend: frontend.key)] = Self.words(of: frontend, ranges)
            }
            // What no frontend leads to any more goes as soon as nothing reads it.
            for backend in port.backends where !port.frontends.isEmpty {
                let key = EndpointName(port: name, address: backend.entry.address, number: backend.entry.port)
                endpoints[key] = Self.words(of: backend.entry)
            }
        }
    }

    private static func words(of frontend: ProgrammedState.Frontend, _ ranges: String) -> String {
        let entry = frontend.entry
        var words = ["\(entry.kind.text)", "\(entry.policy.rawValue)"]
        if entry.action != .balance { words.append("\(entry.action)") }
        if entry.affinitySeconds > 0 { words.append("affinity \(entry.affinitySeconds)s") }
        if entry.isRestricted { words.append("sources \(ranges.isEmpty ? "none" : ranges)") }
        return words.joined(separator: ", ")
    }

    private static func words(of backend: BackendEntry) -> String {
        if backend.state == .terminating || !(backend.inCluster || backend.inLocal) { return "keeps what it has" }
        var words = ["used"]
        if !backend.inCluster { words.append("for Local policies only") }
        if backend.isLocal { words.append("on this node") }
        if !backend.zone.isEmpty { words.append("zone \(backend.zone)") }
        return words.joined(separator: ", ")
    }
}
