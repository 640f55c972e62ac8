internal import ServiceModel

// Planning changes no entry that the mirror believes to be in the kernel: it reserves ids and slots, and marks what is
// wanted. The entries follow when an operation has succeeded.
extension Mirror {
    /// Plans what makes the maps serve this service port: only what differs from what they hold.
    mutating func plan(_ desired: DesiredServicePort, as id: ServiceID, into plan: inout Plan) {
        if backendIDs.mustLearn { backendIDs.learn(inUse: idsInUse()) }
        guard var record = records.take(id) else { return }
        defer { records[id] = record }
        unconfirmed.remove(id)
        disturbed.insert(id)

        var draft = PortDraft(desired, id: id, record: record)
        do throws(MapError) {
            try checkRoom(for: draft, record, plan.additions)
            draft.assignIDs(&backendIDs)
            try reserveSlots(for: &draft)
        } catch {
            plan.refusals.append((id, error))
            return
        }
        if !record.isNameWritten, let name = record.name {
            plan.append(.resetCounter(id), for: id, to: .zeroCounters)
            plan.append(.putName(id, name), for: id, to: .putNames)
            plan.additions[.servicePorts] += 1
        }
        planBackends(draft, record, &plan)
        planSlots(draft, record, &plan)
        planRanges(draft, &plan)
        planFrontends(draft, record, &plan)
        record.backends = draft.backends
        record.runs = draft.runs
        record.ranges = draft.ranges
        record.isRestricted = draft.desired.isRestricted
        record.isWanted = true
        record.retiredAt = 0
    }

    /// Plans the end of a service port: its frontends go first, the rest after a grace period.
    mutating func planRemoval(of id: ServiceID, into plan: inout Plan) {
        guard var record = records.take(id) else { return }
        defer { records[id] = record }
        disturbed.insert(id)
        unconfirmed.remove(id)
        record.abandon()
        plan.surplus += record.frontends.map { ($0.key, id) }
    }

    private func idsInUse() -> Set<UInt32> {
        var ids: Set<UInt32> = []
        for id in records.ids { records[id]?.backends.forEach { ids.insert($0.id.number) } }
        return ids
    }

    // MARK: - Room

    /// All or nothing: a service port that does not fit must not fill the maps for the others.
    private func checkRoom(
        for draft: PortDraft, _ record: PortRecord, _ additions: MapFill
    ) throws(MapError) {
        let services = draft.desired.frontends.count { owners[$0.key] == nil }
        try check(.backends(draft.family), draft.unwritten, additions)
        try check(.sourceRanges(draft.family), draft.ranges.count { !$0.isWritten }, additions)
        try check(.services(draft.family), services, additions)
        try check(.servicePorts, record.isNameWritten ? 0 : 1, additions)
    }

    private func check(_ map: ServiceMap, _ count: Int, _ additions: MapFill) throws(MapError) {
        guard count > 0, let capacity = capacities[map] else { return }
        if fill[map] + additions[map] + count > Int(capacity) { throw MapError(map, .full(capacity: capacity)) }
    }

    /// Finds or allocates the runs that the frontends will point at: at most two, and one where both are equal.
    private mutating func reserveSlots(for draft: inout PortDraft) throws(MapError) {
        var reserved: [SlotRun] = []
        for policy in draft.policies {
            let members = draft.members(for: policy)
            guard !members.isEmpty, !draft.useRun(of: members, for: policy) else { continue }
            do throws(SlotShortage) {
                let run = try self[slots: draft.family].allocate(UInt32(members.count))
                reserved.append(run)
                draft.add(run, of: members, for: policy)
            } catch {
                for run in reserved { self[slots: draft.family].release(run) }
                throw shortage(error, wanted: members.count, draft.family)
            }
        }
    }

    private func shortage(_ shortage: SlotShortage, wanted: Int, _ family: IPFamily) -> MapError {
        switch shortage {
        case .exhausted: MapError(.slots(family), .full(capacity: capacities.slots))
        case .fragmented(_, let longest):
            MapError(.slots(family), .fragmented(wanted: UInt32(wanted), longest: longest))
        }
    }

    // MARK: - Operations

    private mutating func planBackends(_ draft: PortDraft, _ record: PortRecord, _ plan: inout Plan) {
        let name = draft.desired.name
        func entry(_ backend: MirroredBackend, _ flags: BackendFlags, _ zone: String, _ port: Port) -> MapOperation {
            .putBackend(
                backend.id,
                BackendEntry(
                    service: draft.id, address: backend.address(draft.family), port: port, proto: name.proto,
                    state: flags.contains(.active) ? .active : .terminating, isLocal: flags.contains(.local),
                    inCluster: flags.contains(.inCluster), inLocal: flags.contains(.inLocal), zone: zone))
        }
        plan.additions[.backends(draft.family)] += draft.unwritten
        for (desired, place) in zip(draft.desired.backends, draft.places) {
            let backend = draft.backends[place]
            let zone = zones.index(of: desired.zone)
            let held = backend.flags.intersection(.attributes)
            let target = BackendFlags(desired)
            let first = target.union(held.intersection(.membership))
            if !backend.flags.contains(.written) || first != held || zone != backend.zone {
                let operation = entry(backend, first, zones[zone], desired.port)
                plan.append(operation, for: draft.id, to: .gainBackends, draft.family)
            }
            if target != first {
                let operation = entry(backend, target, zones[zone], desired.port)
                plan.append(operation, for: draft.id, to: .loseBackends, draft.family)
            }
        }
        for backend in draft.backends where !backend.flags.contains(.wanted) {
            guard !backend.flags.isDisjoint(with: .membership), let port = Port(Int(backend.port)) else { continue }
            let target = backend.flags.subtracting(.membership)
            let operation = entry(backend, target, zones[backend.zone], port)
            plan.append(operation, for: draft.id, to: .loseBackends, draft.family)
        }
    }

    private func planSlots(_ draft: PortDraft, _ record: PortRecord, _ plan: inout Plan) {
        for run in draft.runs where run.isWanted && !run.isWritten {
            let slots = draft.slots(of: run)
            let operation = MapOperation.putSlots(draft.family, first: run.run.first, slots)
            plan.append(operation, for: draft.id, to: .putSlots, draft.family)
        }
    }

    private func planRanges(_ draft: PortDraft, _ plan: inout Plan) {
        for range in draft.ranges where !range.isWritten {
            let operation = MapOperation.putSourceRange(range.range, of: draft.id)
            plan.append(operation, for: draft.id, to: .putSourceRanges, draft.family)
            plan.additions[operation.map] += 1
        }
    }

    private func planFrontends(_ draft: PortDraft, _ record: PortRecord, _ plan: inout Plan) {
        var wanted: Set<FrontendKey> = []
        for frontend in draft.desired.frontends {
            wanted.insert(frontend.key)
            let entry = ServiceEntry(
                frontend, of: draft.id, run: frontend.action == .balance ? draft.run(for: frontend.policy) : .none,
                affinitySeconds: draft.desired.affinitySeconds)
            let (index, found) = record.position(of: frontend.key)
            if found, record.frontends[index].entry == entry { continue }
            if owners[frontend.key] == nil { plan.additions[.services(draft.family)] += 1 }
            for bit in frontend.filterBits where !filter.contains(bit) {
                plan.append(.mark(bit), for: draft.id, to: .markFilter, draft.family)
            }
            plan.append(.putService(frontend.key, entry), for: draft.id, to: .putServices, draft.family)
        }
        for held in record.frontends where !wanted.contains(held.key) {
            plan.surplus.append((held.key, draft.id))
        }
    }
}
