internal import CDatapath
internal import ServiceModel

// Rebuilds the mirror from the maps that an earlier process left, at whatever instruction it ended.
extension Mirror {
    /// Reads all maps. Service ports, backends and runs keep their ids and places, so nothing running notices.
    ///
    /// What no service entry leads to is garbage of an update that was cut off: it is retired at once, and freed by
    /// the first reclaim. Runs whose slots are not as they should be are kept until they have been replaced.
    init<Store: MapStore>(restoring store: Store, capacities: MapCapacities) throws(MapError) {
        self.init(capacities: capacities.limited(by: store))
        try store.forEach(in: .servicePorts) { (id: UInt32, value: service_port) in
            if id != 0 { restoreName(ServiceID(id), value.decoded) }
        }
        filter = FrontendFilter(
            words: try store.elements(.vipFilter, at: 0..<UInt32(LB_FILTER_WORDS), as: UInt64.self))
        var restorer = Restorer()
        try restorer.restore(IPv4.self, from: store, into: &self)
        try restorer.restore(IPv6.self, from: store, into: &self)
        backendIDs = BackendIDSequence(after: restorer.highestBackend)
        try restoreShared(IPv4.self, from: store)
        try restoreShared(IPv6.self, from: store)
        try store.forEach(in: .nodePorts) { (key: node_port_key, value: node_port) in
            guard let key = key.decoded else { return }
            fill[.nodePorts] += 1
            shared.found(ServiceID(value.service_id), at: key)
        }
        indexNames()
        unconfirmed = Set(records.ids)
        disturbed = unconfirmed
        retire()
    }

    private mutating func restoreName(_ id: ServiceID, _ name: ServicePortName?) {
        serviceIDs.take(id)
        records[id] = PortRecord(name: name, family: name?.family ?? .v4)
        records[id]?.isNameWritten = true
        records[id]?.isWanted = name != nil
        fill[.servicePorts] += 1
    }

    /// Finds ids by name. Of two with the same name the one that has frontends keeps it; the other one is retired.
    private mutating func indexNames() {
        var holders: [ServicePortName: ServiceID] = [:]
        for id in records.ids {
            guard let record = records[id], let name = record.name else { continue }
            var loser = id
            if let holder = holders[name], !(records[holder]?.frontends.isEmpty ?? true) || record.frontends.isEmpty {
                loser = id
            } else {
                loser = holders.updateValue(id, forKey: name) ?? ServiceID(0)
            }
            records[loser]?.name = nil
            records[loser]?.abandon()
        }
        for (name, id) in holders { services[name.service, default: []].append(id) }
    }

    /// Makes sure of a record for an id that is found in a map; nil if it belongs to the other family.
    fileprivate mutating func restoreRecord(_ id: ServiceID, _ family: IPFamily) -> Bool {
        if let record = records[id] { return record.family == family }
        serviceIDs.take(id)
        records[id] = PortRecord(name: nil, family: family)
        records[id]?.isWanted = false
        return true
    }

    private mutating func restoreShared<Family: MapFamily, Store: MapStore>(
        _: Family.Type, from store: Store
    ) throws(MapError) {
        let map = ServiceMap.vips(Family.family)
        try store.forEach(in: map) { (key: Family.VIPKey, value: vip) in
            fill[map] += 1
            // What we would not write is shown as something that has to be written again.
            shared.found(value.decoded ?? VIPEntry(frontends: 0), at: key.ipAddress)
        }
    }
}

/// Rebuilds what is kept per family.
private struct Restorer {
    var highestBackend: UInt32 = 0

    /// A slot that is taken, without what its backend says anyway.
    private struct Taken {
        var slot: UInt32
        var service: ServiceID
        var backend: BackendID
        /// The address and port are not its backend's.
        var isWrong: Bool
    }

    mutating func restore<Family: MapFamily, Store: MapStore>(
        _: Family.Type, from store: Store, into mirror: inout Mirror
    ) throws(MapError) {
        try restoreBackends(Family.self, from: store, into: &mirror)
        let services = ServiceMap.services(Family.family)
        try store.forEach(in: services) { (key: Family.ServiceKey, value: service) in
            guard let frontend = key.decoded, let entry = value.decoded(sealedFor: key.seal),
                mirror.restoreRecord(entry.service, Family.family)
            else { return }
            mirror.commit(frontend, entry)
            if entry.isRestricted, mirror.records[entry.service]?.isWanted == true {
                mirror.records[entry.service]?.isRestricted = true
            }
        }
        try restoreRanges(Family.self, from: store, into: &mirror)
        try restoreRuns(Family.self, from: store, into: &mirror)
    }

    private mutating func restoreBackends<Family: MapFamily, Store: MapStore>(
        _: Family.Type, from store: Store, into mirror: inout Mirror
    ) throws(MapError) {
        let map = ServiceMap.backends(Family.family)
        var touched: Set<ServiceID> = []
        try store.forEach(in: map) { (id: UInt32, value: Family.Backend) in
            guard id != 0, let entry = value.decoded, mirror.restoreRecord(entry.service, Family.family) else { return }
            highestBackend = max(highestBackend, id)
            mirror.fill[map] += 1
            touched.insert(entry.service)
            mirror.records[entry.service]?.backends.append(
                MirroredBackend(
                    high: entry.address.high, low: entry.address.low, id: BackendID(id), port: entry.port.number,
                    zone: mirror.zones.index(of: entry.zone),
                    flags: BackendFlags(entry).union(.written)))
        }
        for id in touched {
            guard var record = mirror.records.take(id) else { continue }
            record.backends.sort { ($0.high, $0.low, $0.port, $0.id) < ($1.high, $1.low, $1.port, $1.id) }
            retireDoubles(&record, id, in: &mirror)
            if record.isWanted {
                for index in record.backends.indices { record.backends[index].flags.insert(.wanted) }
            }
            mirror.records[id] = record
        }
    }

    private func restoreRanges<Family: MapFamily, Store: MapStore>(
        _: Family.Type, from store: Store, into mirror: inout Mirror
    ) throws(MapError) {
        let map = ServiceMap.sourceRanges(Family.family)
        var touched: Set<ServiceID> = []
        try store.forEach(in: map) { (key: Family.SourceRangeKey, _: source_range) in
            guard let (service, range) = key.decoded, mirror.restoreRecord(service, Family.family) else { return }
            mirror.fill[map] += 1
            touched.insert(service)
            let isWanted = mirror.records[service]?.isWanted ?? false
            mirror.records[service]?.ranges.append(
                MirroredRange(range: range, isWritten: true, isWanted: isWanted))
        }
        for id in touched { mirror.records[id]?.ranges.sort { $0.range < $1.range } }
    }

    /// An endpoint has one id; others of it are not used, and go.
    private func retireDoubles(_ record: inout PortRecord, _ service: ServiceID, in mirror: inout Mirror) {
        var kept: [MirroredBackend] = []
        for backend in record.backends {
            let address = backend.address(record.family)
            if let last = kept.last, last.isAt(address, backend.port) {
                mirror.retired.backends.append(
                    .init(
                        id: backend.id, service: service, address: address, port: backend.port,
                        epoch: mirror.retired.epoch))
            } else {
                kept.append(backend)
            }
        }
        record.backends = kept
    }

    private func restoreRuns<Family: MapFamily, Store: MapStore>(
        _: Family.Type, from store: Store, into mirror: inout Mirror
    ) throws(MapError) {
        // Names and backends are written before slots and deleted after them (`WriteStep`): without a service port no slot is
        // taken, and the arrays of a fresh node need not be read.
        guard mirror.records.ids.contains(where: { mirror.records[$0]?.family == Family.family }) else { return }
        let taken = try readSlots(Family.self, from: store, mirror)
        var runs: [(run: SlotRun, owner: ServiceID, members: [BackendID])] = []
        for id in mirror.records.ids {
            guard let record = mirror.records[id], record.family == Family.family else { continue }
            for run in Set(record.frontends.map(\.entry.run)) where run.count > 0 {
                runs.append((run, id, members(of: run, id, taken)))
            }
        }
        // Good runs have a right to their slots; of those in disorder only what does not overlap is kept.
        runs.sort { ($0.members.isEmpty ? 1 : 0, $0.run.first) < ($1.members.isEmpty ? 1 : 0, $1.run.first) }
        var kept: [SlotRun] = []
        for (run, owner, members) in runs where fits(run, kept, mirror.capacities.slots) {
            kept.insert(run, at: kept.partitioningIndex(of: run.first))
            mirror.records[owner]?.runs.append(
                MirroredRun(run: run, backends: members, isWritten: true, isWanted: false))
        }
        let orphans = orphans(taken, kept)
        for (run, owner) in orphans {
            mirror.retired.runs.append(
                .init(run: run, family: Family.family, owner: owner, epoch: mirror.retired.epoch))
        }
        mirror[slots: Family.family] = SlotAllocator(
            capacity: mirror.capacities.slots, taken: kept + orphans.map(\.run))
    }

    private func readSlots<Family: MapFamily, Store: MapStore>(
        _: Family.Type, from store: Store, _ mirror: Mirror
    ) throws(MapError) -> [Taken] {
        let map = ServiceMap.slots(Family.family)
        var taken: [Taken] = []
        // In windows: the whole array as values would be the biggest thing in this process.
        let (end, window) = (mirror.capacities.slots, UInt32(4096))
        for first in stride(from: 0, to: end, by: Int(window)) {
            let range = first..<min(first + window, end)
            for (index, value) in try store.elements(map, at: range, as: Family.Slot.self).enumerated() {
                guard let slot = value.decoded else { continue }
                let record = mirror.records[slot.service]
                let position = record.map { $0.position(of: slot.address, slot.port) }
                let isRight =
                    position.map { $0.found && record?.backends[$0.index].id == slot.backend } ?? false
                taken.append(
                    Taken(
                        slot: first + UInt32(index), service: slot.service, backend: slot.backend, isWrong: !isRight))
            }
        }
        return taken
    }

    /// The backends in a run, or none if one of its slots is not as it should be.
    private func members(of run: SlotRun, _ owner: ServiceID, _ taken: [Taken]) -> [BackendID] {
        var (low, high) = (0, taken.count)
        while low < high {
            let middle = (low + high) / 2
            if taken[middle].slot < run.first { low = middle + 1 } else { high = middle }
        }
        guard taken.count - low >= Int(run.count) else { return [] }
        let slots = taken[low..<low + Int(run.count)]
        let isGood = slots.enumerated().allSatisfy { index, slot in
            slot.slot == run.first + UInt32(index) && slot.service == owner && !slot.isWrong
        }
        return isGood ? slots.map(\.backend) : []
    }

    private func fits(_ run: SlotRun, _ kept: [SlotRun], _ capacity: UInt32) -> Bool {
        let (end, overflow) = run.first.addingReportingOverflow(run.count)
        guard run.first > 0, !overflow, end <= capacity else { return false }
        let index = kept.partitioningIndex(of: run.first)
        return (index == kept.count || kept[index].first >= end) && (index == 0 || kept[index - 1].end <= run.first)
    }

    /// Taken slots outside all runs, as runs of one owner each.
    private func orphans(_ taken: [Taken], _ kept: [SlotRun]) -> [(run: SlotRun, owner: ServiceID)] {
        var found: [(run: SlotRun, owner: ServiceID)] = []
        var next = 0
        for slot in taken where slot.slot > 0 {
            while next < kept.count, kept[next].end <= slot.slot { next += 1 }
            if next < kept.count, kept[next].first <= slot.slot { continue }
            if let last = found.last, last.owner == slot.service, last.run.end == slot.slot {
                found[found.count - 1].run.count += 1
            } else {
                found.append((SlotRun(first: slot.slot, count: 1), slot.service))
            }
        }
        return found
    }
}

extension [SlotRun] {
    /// Where a run that begins there is, or would be inserted.
    fileprivate func partitioningIndex(of first: UInt32) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].first < first { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
