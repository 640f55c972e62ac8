package import ServiceModel

/// Makes the maps follow the desired state. It is their only writer, so it lives in one actor.
///
/// What it wrote it remembers, so it writes only what differs. A service port whose entries could not all be written
/// stays pending until an `apply` that tries such ports again.
package struct ServiceMapWriter<Store: MapStore> {
    var store: Store
    private let grace: any GracePeriod
    var mirror: Mirror
    var unfinished = UnfinishedPorts()
    /// Counts the turns in which what is due is tried again.
    var turn = 0
    /// Planning in portions bounds the memory of the operations.
    private let portion = 512
    /// So many Services are tried again in one call, so that a change need not wait for thousands of them.
    private let retryPortion = 64

    /// Starts from what the maps hold: after a restart, every service port keeps its id, backends and slots.
    package init(store: Store, grace: any GracePeriod, capacities: MapCapacities) throws(MapError) {
        self.store = store
        self.grace = grace
        mirror = try Mirror(restoring: store, capacities: capacities)
    }

    /// Applies the new desired values of some Services, and the end of others.
    ///
    /// A service port that does not fit is left as it was. `reclaim` may make room for it.
    ///
    /// - Parameters:
    ///   - upserts: in these no frontend may be claimed twice; the model decides conflicts (spec 25).
    ///   - prune: what was found in the maps at the start and has not been desired since goes away. Only after the
    ///     first complete list (spec 10), with which all desired Services have been seen.
    ///   - spared: Services that are not pruned, because what they are now cannot be read.
    ///   - retries: which of the pending service ports are tried again with it.
    package mutating func apply(
        upserts: [DesiredService] = [], removals: [ObjectName] = [], prune: Bool = false,
        sparing spared: Set<ObjectName> = [], retries: Retries = .all
    ) -> ApplyReport {
        var work = due(retries)
        var leaving = Set(removals)
        if prune { leaving.formUnion(unconfirmedServices.filter { !spared.contains($0) }) }
        if !leaving.isEmpty { leaving.subtract(upserts.map(\.name)) }
        for service in upserts { mirror.renamePorts(of: service, leaving: leaving) }
        for service in removals { work.remove(service, supersede(service)) }
        for service in upserts { work.replace(service, supersede(service.name), mirror) }
        var round = Round(work: work)
        var ports: [DesiredServicePort] = []
        for port in work.ports {
            ports.append(port)
            if ports.count == portion { write(&ports, &round) }
        }
        write(&ports, &round)

        round.gone = prune ? work.removals.union(unconfirmed(except: spared)) : work.removals
        for id in round.gone.sorted() { mirror.planRemoval(of: id, into: &round.plan) }
        write(.round, &round)
        keepUnfinished(of: round)
        mirror.retire()
        var report = report(round)
        mirror.reportWidened()
        swap(&report.awakened, &mirror.awakened)
        return report
    }

    /// Which of the pending service ports are tried again.
    package enum Retries: Sendable {
        /// None: a change costs the same however many are pending.
        case none
        /// A portion of those whose turn it is: each waits for twice as many turns as the time before, up to twelve. A turn
        /// begins with the first call after `isTurnOver`.
        case due
        case all
    }

    private mutating func due(_ retries: Retries) -> UnfinishedPorts {
        switch retries {
        case .none: return UnfinishedPorts()
        case .due:
            if isTurnOver {
                turn += 1
                unfinished.begin(turn: turn)
            }
            return unfinished.takeDue(inTurn: turn, atMost: retryPortion)
        case .all: return unfinished.takeAll()
        }
    }

    /// Whether all that was due in the last turn has been tried again.
    package var isTurnOver: Bool { unfinished.isTurnOver }

    /// Returns the ids of a Service, of which nothing waits any more.
    private mutating func supersede(_ service: ObjectName) -> [ServiceID] {
        let ids = mirror.services[service] ?? []
        unfinished.supersede(service, ids)
        return ids
    }

    private func unconfirmed(except spared: Set<ObjectName>) -> Set<ServiceID> {
        if spared.isEmpty { return mirror.unconfirmed }
        return mirror.unconfirmed.filter { id in
            !(mirror.records[id]?.name.map { spared.contains($0.service) } ?? false)
        }
    }
}

// MARK: - Reclaiming

extension ServiceMapWriter {
    /// Names the grace period after which `finishReclaim` may free what was retired before it began.
    package struct ReclaimTicket: Sendable {
        let epoch: Epoch
    }

    /// Whether there is anything to free.
    package var needsReclaim: Bool { !mirror.retired.isEmpty }

    /// Waits for a grace period and frees what is no longer read: slots, backends, ids.
    ///
    /// This blocks. An actor calls `beginReclaim`, waits elsewhere, and calls `finishReclaim`.
    package mutating func reclaim() throws(GracePeriodError) -> ApplyReport {
        guard needsReclaim else { return ApplyReport() }
        let ticket = beginReclaim()
        try grace.wait()
        return finishReclaim(ticket)
    }

    /// To be followed by a grace period that begins after this call.
    package mutating func beginReclaim() -> ReclaimTicket { ReclaimTicket(epoch: mirror.endEpoch()) }

    /// Frees what was retired before the ticket. What fails is tried again at the next reclaim.
    package mutating func finishReclaim(_ ticket: ReclaimTicket) -> ApplyReport {
        var round = Round(work: UnfinishedPorts())
        mirror.planReclaim(upTo: ticket.epoch, into: &round.plan)
        write(.afterGrace, &round)
        for planned in round.outcome.undone { mirror.retireAgain(planned) }
        let kept = Set(mirror.backends(removedBy: round.outcome.undone))
        var report = report(round)
        report.removedBackends = round.removedBackends.filter { !kept.contains($0) }
        return report
    }
}

// MARK: - Looking

extension ServiceMapWriter {
    /// How full each map is, with what it has room for.
    package var statistics: [ServiceMap: (entries: Int, capacity: Int)] {
        var statistics: [ServiceMap: (entries: Int, capacity: Int)] = [:]
        for about in MapCatalog.all where about.isState && !about.kind.isArray {
            statistics[about.map] = (mirror.fill[about.map], Int(mirror.capacities[about.map] ?? 0))
        }
        for family in IPFamily.allCases {
            let slots = mirror[slots: family]
            let usable = Int(slots.capacity) - 1
            statistics[.slots(family)] = (usable - Int(slots.free), usable)
        }
        return statistics
    }

    /// Services that were found in the maps at the start and have not been desired since, sorted.
    package var unconfirmedServices: [ObjectName] {
        Set(mirror.unconfirmed.compactMap { mirror.records[$0]?.name?.service }).sorted()
    }

    /// Tells which addresses are the node's own: there a ClusterIP takes its own ports and refuses no others.
    /// - Returns: whether something is to be written for it.
    package mutating func setNodeAddresses(_ addresses: Set<IPAddress>) -> Bool {
        mirror.shared.setNodeAddresses(addresses)
        return !mirror.shared.changedVIPs.isEmpty
    }

    /// Whether no frontend is in the maps.
    package var isEmpty: Bool { mirror.fill[.services4] + mirror.fill[.services6] == 0 }

    /// The id of a service port, which stays the same for as long as the maps live.
    package func id(of port: ServicePortName) -> ServiceID? { mirror.id(of: port) }

    /// Where the frontends of a service port lead now, without doubles.
    package func runs(of port: ServicePortName) -> [SlotRun] {
        guard let id = mirror.id(of: port), let record = mirror.records[id] else { return [] }
        return Set(record.frontends.map(\.entry.run)).filter { $0.count > 0 }.sorted { $0.first < $1.first }
    }

    /// Service ports that are not yet as they should be, sorted. The cost is that of all of them: see `isPending`.
    package var pending: [ServicePortName] {
        let shared = mirror.shared.plan().map(\.owner)
        return names(of: unfinished.removals.union(shared)).union(unfinished.names).sorted()
    }

    /// The lowest ClusterIP of each family that is in the maps, to try the hooks with.
    package var probeVIPs: [IPAddress] {
        IPFamily.allCases.compactMap { family in
            mirror.shared.vips.lazy.filter { $0.key.family == family && $0.value.written != nil }.map(\.key).min()
        }
    }

    /// Whether something is not yet as it should be.
    package var isPending: Bool { !unfinished.isEmpty || mirror.shared.isBehind }
}

extension ServiceMapWriter: Sendable where Store: Sendable {}
