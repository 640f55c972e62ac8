internal import ServiceModel

/// Counts the grace periods: what was retired in one epoch may be freed when the grace period that ended it is over.
typealias Epoch = UInt32

/// What can no longer be found, and may still be being read.
struct RetiredEntries {
    struct Run {
        var run: SlotRun
        var family: IPFamily
        var owner: ServiceID
        var epoch: Epoch
    }

    struct Backend {
        var id: BackendID
        var service: ServiceID
        var address: IPAddress
        var port: UInt16
        var epoch: Epoch
    }

    struct Range {
        var range: CIDR
        var service: ServiceID
        var epoch: Epoch
    }

    struct Record {
        var service: ServiceID
        var epoch: Epoch
    }

    var epoch: Epoch = 1
    var runs: [Run] = []
    var backends: [Backend] = []
    var ranges: [Range] = []
    var records: [Record] = []

    var isEmpty: Bool { runs.isEmpty && backends.isEmpty && ranges.isEmpty && records.isEmpty }

    mutating func remove(upTo last: Epoch) {
        runs.removeAll { $0.epoch <= last }
        backends.removeAll { $0.epoch <= last }
        ranges.removeAll { $0.epoch <= last }
        records.removeAll { $0.epoch <= last }
    }
}

extension Mirror {
    /// Retires what the disturbed service ports no longer use: runs without a frontend, backends without a run, ids.
    ///
    /// What is wanted stays, even where a failed write has left it without a use: the retry will need it.
    mutating func retire() {
        for id in disturbed.sorted() {
            guard var record = records.take(id) else { continue }
            retire(&record, id)
            records[id] = record
        }
        disturbed.removeAll()
    }

    private mutating func retire(_ record: inout PortRecord, _ id: ServiceID) {
        let frontends = record.frontends
        func isInUse(_ run: MirroredRun) -> Bool {
            run.isWanted || frontends.contains { $0.entry.run == run.run }
        }
        if !record.runs.allSatisfy(isInUse) {
            for run in record.runs where !isInUse(run) {
                retired.runs.append(.init(run: run.run, family: record.family, owner: id, epoch: retired.epoch))
            }
            record.runs = record.runs.filter(isInUse)
        }
        retireBackends(&record, id)
        retireRanges(&record, id)
        if !record.isWanted, record.frontends.isEmpty, record.retiredAt == 0 {
            record.retiredAt = retired.epoch
            retired.records.append(.init(service: id, epoch: retired.epoch))
        }
    }

    private mutating func retireBackends(_ record: inout PortRecord, _ id: ServiceID) {
        guard record.backends.contains(where: { !$0.flags.contains(.wanted) && $0.retiredAt == 0 }) else { return }
        let named = Set(record.runs.flatMap(\.backends))
        for index in record.backends.indices {
            let backend = record.backends[index]
            guard !backend.flags.contains(.wanted), backend.retiredAt == 0, !named.contains(backend.id) else {
                continue
            }
            record.backends[index].retiredAt = retired.epoch
            let address = backend.address(record.family)
            retired.backends.append(
                .init(id: backend.id, service: id, address: address, port: backend.port, epoch: retired.epoch))
        }
    }

    /// A client that was admitted, and still is, must be found in a range at every moment: the old ones go after all
    /// new ones are there, and after no frontend asks for them any more.
    private mutating func retireRanges(_ record: inout PortRecord, _ id: ServiceID) {
        guard record.ranges.contains(where: { !$0.isWanted && $0.retiredAt == 0 }) else { return }
        let areNeeded =
            record.isRestricted
            ? !record.ranges.allSatisfy(\.isWritten) : record.frontends.contains(where: \.entry.isRestricted)
        guard !areNeeded else { return }
        for index in record.ranges.indices {
            guard !record.ranges[index].isWanted, record.ranges[index].retiredAt == 0 else { continue }
            record.ranges[index].retiredAt = retired.epoch
            retired.ranges.append(.init(range: record.ranges[index].range, service: id, epoch: retired.epoch))
        }
    }

    /// Not if it has come back meanwhile, or has been retired again later.
    private func isStill(_ retired: RetiredEntries.Range) -> Bool {
        guard let record = records[retired.service], let index = record.index(of: retired.range) else { return false }
        return record.ranges[index].retiredAt == retired.epoch
    }

    /// Not if it has come back meanwhile, or has been retired again later.
    private func isStill(_ retired: RetiredEntries.Backend) -> Bool {
        guard let held = backend(of: retired.service, at: retired.address, retired.port), held.id == retired.id else {
            return true
        }
        return held.retiredAt == retired.epoch
    }

    private func backend(of service: ServiceID, at address: IPAddress, _ port: UInt16) -> MirroredBackend? {
        guard let record = records[service], case let (index, true) = record.position(of: address, port) else {
            return nil
        }
        return record.backends[index]
    }

    /// Ends the epoch. What was retired in it, or before, may be freed after a grace period that begins now.
    mutating func endEpoch() -> Epoch {
        defer { retired.epoch += 1 }
        return retired.epoch
    }

    /// Plans to free what was retired up to an epoch.
    mutating func planReclaim(upTo epoch: Epoch, into plan: inout Plan) {
        for run in retired.runs where run.epoch <= epoch {
            plan.append(.clearSlots(run.family, run.run), for: run.owner, to: .clearSlots, run.family)
        }
        // From the last to the first, as they stand in the records: nothing behind them has to move up.
        for retired in retired.ranges.reversed() where retired.epoch <= epoch && isStill(retired) {
            let operation = MapOperation.deleteSourceRange(retired.range, of: retired.service)
            plan.append(operation, for: retired.service, to: .deleteSourceRanges, retired.range.family)
        }
        for retired in retired.backends.reversed() where retired.epoch <= epoch && isStill(retired) {
            let (id, owner, family) = (retired.id, retired.service, retired.address.family)
            if capacities.countsBackends {
                plan.append(.deleteBackendCounter(id), for: owner, to: .deleteBackendCounters, family)
            }
            let operation = MapOperation.deleteBackend(id, of: owner, address: retired.address, port: retired.port)
            plan.append(operation, for: owner, to: .deleteBackends, family)
        }
        for retired in retired.records where retired.epoch <= epoch {
            guard records[retired.service]?.retiredAt == retired.epoch else { continue }
            plan.append(.deleteName(retired.service), for: retired.service, to: .deleteNames)
        }
        retired.remove(upTo: epoch)
    }

    /// An operation of `planReclaim` was not done: it is planned again next time.
    mutating func retireAgain(_ planned: PlannedOperation) {
        let epoch = retired.epoch
        switch planned.operation {
        case .clearSlots(let family, let run):
            retired.runs.append(.init(run: run, family: family, owner: planned.owner, epoch: epoch))
        case .deleteBackend(let id, let service, let address, let port):
            if let (index, found) = records[service]?.position(of: address, port), found,
                records[service]?.backends[index].id == id
            {
                records[service]?.backends[index].retiredAt = epoch
            }
            retired.backends.append(.init(id: id, service: service, address: address, port: port, epoch: epoch))
        case .deleteSourceRange(let range, let id):
            guard let index = records[id]?.index(of: range) else { return }
            records[id]?.ranges[index].retiredAt = epoch
            retired.ranges.append(.init(range: range, service: id, epoch: epoch))
        case .deleteName(let id):
            records[id]?.retiredAt = epoch
            retired.records.append(.init(service: id, epoch: epoch))
        default: break
        }
    }
}
