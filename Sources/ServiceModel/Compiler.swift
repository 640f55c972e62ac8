/// Compiles what is dirty, settles frontends that several Services claim, and tells what changed.
package struct Compiler: Sendable {
    /// What the last update wanted.
    package private(set) var desired = DesiredState()
    private var claims = Claims()
    /// What each Service asks for and does not have, without scope.
    private var lost: [ObjectName: [FrontendKey]] = [:]
    private var node: NodeConfiguration?
    private let keepsBackends: Bool

    /// - Parameter keepsBackends: false to save the memory of all the backends: `desired` then counts them only, and
    ///   every dirty Service with backends counts as changed.
    package init(keepsBackends: Bool = true) { self.keepsBackends = keepsBackends }

    /// Frontends that a Service asks for and another one holds, sorted (spec 25).
    package var conflicts: [Conflict] { claims.conflicts }

    /// Another number whenever they may have changed.
    package var conflictsRevision: Int { claims.revision }

    /// Compiles the dirty Services, and all of them if the node's configuration is another one than last time.
    ///
    /// The cost is that of the dirty Services and of those that lose a frontend to them or get one from them.
    /// - Returns: the Services whose result differs from the last one.
    package mutating func update(
        dirty: Set<ObjectName>, state: ClusterState, node: NodeConfiguration
    ) -> DesiredChanges {
        var names = dirty
        if node != self.node {
            self.node = node
            names.formUnion(state.serviceNames)
            names.formUnion(desired.services.keys)
        }
        var compiled: [ObjectName: DesiredService] = [:]
        var affected = names
        for name in names {
            let service = state.compile(name, for: node)
            affected.formUnion(stake(service?.ports ?? [], of: name, created: state.service(named: name)?.created))
            compiled[name] = service
        }
        var changes = DesiredChanges()
        for name in affected.sorted() {
            let service = names.contains(name) ? compiled[name] : state.compile(name, for: node)
            settle(name, service, noting: &changes)
        }
        return changes
    }

    /// Replaces the claims of a Service; returns the others that lose or get something by it.
    private mutating func stake(
        _ ports: [DesiredServicePort], of service: ObjectName, created: UnixTime?
    ) -> [ObjectName] {
        var touched: [ObjectName] = []
        let frontends = ports.lazy.flatMap(\.frontends).filter { $0.key.scope == .fromNode }
        let before = (desired.services[service]?.claimedKeys ?? []) + (lost[service] ?? [])
        if !before.isEmpty {
            let after = Set(frontends.map(\.key))
            for key in before where !after.contains(key) {
                if let next = claims.withdraw(key, by: service) { touched.append(next) }
            }
        }
        for frontend in frontends {
            if let loser = claims.claim(frontend, for: service, created: created) { touched.append(loser) }
        }
        return touched
    }

    /// Takes away what another Service holds, and notes the result if it is a new one.
    private mutating func settle(_ name: ObjectName, _ compiled: DesiredService?, noting changes: inout DesiredChanges)
    {
        guard var service = compiled else {
            lost[name] = nil
            if desired.services.removeValue(forKey: name) != nil { changes.removals.append(name) }
            return
        }
        let losses = service.claimedKeys.filter { claims.holder(of: $0) != name }
        lost[name] = losses.isEmpty ? nil : losses
        if !losses.isEmpty { service.removeFrontends(Set(losses)) }
        guard desired.services[name] != service else { return }
        desired.services[name] = keepsBackends ? service : service.withoutBackends
        changes.upserts.append(service)
    }
}

/// The Services whose compiled result changed; each list is sorted by name.
package struct DesiredChanges: Sendable, Hashable {
    package var upserts: [DesiredService] = []
    package var removals: [ObjectName] = []

    package init() {}

    package var isEmpty: Bool { upserts.isEmpty && removals.isEmpty }
}

extension ClusterState {
    fileprivate func compile(_ name: ObjectName, for node: NodeConfiguration) -> DesiredService? {
        service(named: name).map { ServiceModel.compile(service: $0, slices: slices(of: name), node: node) }
    }
}

extension DesiredService {
    fileprivate var claimedKeys: [FrontendKey] {
        ports.flatMap { port in port.frontends.lazy.map(\.key).filter { $0.scope == .fromNode } }
    }

    fileprivate mutating func removeFrontends(_ keys: Set<FrontendKey>) {
        for index in ports.indices {
            ports[index].frontends.removeAll { keys.contains($0.key.claimed) }
        }
    }
}
