internal import ServiceModel

/// Counts the grace periods: what was retired in one epoch may be freed when the grace period that ended it is over.
typealias Epoch = UInt32

/// What nobody can find any more, and somebody may still be reading.
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

    struct Record {
        var service: ServiceID
        var epoch: Epoch
    }

    var epoch: Epoch = 1
    var runs: [Run] = []
    var backends: [Backend] = []
    var records: [Record] = []

    var isEmpty: Bool { runs.isEmpty && backends.isEmpty && records.isEmpty }
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

    /// Plans to free what was retired up to an epoch: slots, then backends, then the names of service ports.
    mutating func planReclaim(upTo epoch: Epoch) -> [PlannedOperation] {
        var plan: [PlannedOperation] = []
        func append(_ operation: MapOperation, _ owner: ServiceID) {
            plan.append(PlannedOperation(operation: operation, owner: owner))
        }
        for family in IPFamily.allCases {
            for run in retired.runs where run.epoch <= epoch && run.family == family {
                append(.clearSlots(family, run.run), run.owner)
            }
            for retired in retired.backends where retired.epoch <= epoch && retired.address.family == family {
                // It may have come back meanwhile, or have been retired again later.
                if let held = backend(of: retired.service, at: retired.address, retired.port), held.id == retired.id,
                    held.retiredAt != retired.epoch
                {
                    continue
                }
                append(
                    .deleteBackend(retired.id, of: retired.service, address: retired.address, port: retired.port),
                    retired.service)
            }
        }
        for retired in retired.records where retired.epoch <= epoch {
            guard records[retired.service]?.retiredAt == retired.epoch else { continue }
            append(.deleteName(retired.service), retired.service)
        }
        retired.runs.removeAll { $0.epoch <= epoch }
        retired.backends.removeAll { $0.epoch <= epoch }
        retired.records.removeAll { $0.epoch <= epoch }
        return plan
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
        case .deleteName(let id):
            records[id]?.retiredAt = epoch
            retired.records.append(.init(service: id, epoch: epoch))
        default: break
        }
    }
}
