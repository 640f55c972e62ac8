internal import ServiceModel

// How a round is written: one loop over the steps, whose order is that of `WriteStep`.
extension ServiceMapWriter {
    /// What comes together from the first step to the last.
    struct Round {
        /// The service ports that are to become what is desired.
        let work: UnfinishedPorts
        /// Those that are to go.
        var gone: Set<ServiceID> = []
        var plan = Plan()
        var outcome = Applier<Store>.Outcome()
        var removedBackends: [RemovedBackend] = []
    }

    /// Plans and writes a portion; leaves the array empty.
    mutating func write(_ ports: inout [DesiredServicePort], _ round: inout Round) {
        for port in ports {
            let id = mirror.id(of: port.name) ?? mirror.adopt(port.name)
            mirror.plan(port, as: id, into: &round.plan)
        }
        write(.portion, &round)
        round.plan.additions = MapFill()
        ports.removeAll(keepingCapacity: true)
    }

    /// Takes the steps of a stage.
    mutating func write(_ stage: WriteStep.Stage, _ round: inout Round) {
        for step in WriteStep.allCases where step.stage == stage {
            let operations = operations(of: step, &round)
            var earlier: Set<ServiceID> = []
            if !step.heedsFailures { swap(&earlier, &round.outcome.failed) }
            Applier(store: store).run(operations, mirror: &mirror, outcome: &round.outcome)
            finish(step, &round, failedBefore: earlier)
        }
    }

    private mutating func operations(of step: WriteStep, _ round: inout Round) -> [PlannedOperation] {
        switch step {
        case .deleteServices:
            keepUnfinished(of: round)
            return deletions(round.plan.surplus)
        case .putShared: return mirror.shared.plan()
        case .deleteBackends:
            let operations = round.plan.take(step)
            round.removedBackends = mirror.backends(removedBy: operations)
            return operations
        default: return round.plan.take(step)
        }
    }

    /// One that is wanted elsewhere and could not be written there keeps leading where it led: better than nowhere.
    private func deletions(_ surplus: [(key: FrontendKey, owner: ServiceID)]) -> [PlannedOperation] {
        let deletions = surplus.filter { mirror.owners[$0.key] == $0.owner && !unfinished.claims($0.key) }
            .map { PlannedOperation(operation: .deleteService($0.key), owner: $0.owner) }
        return deletions.sorted { $0.operation.map.rawValue < $1.operation.map.rawValue }
    }

    private func finish(_ step: WriteStep, _ round: inout Round, failedBefore earlier: Set<ServiceID>) {
        switch step {
        case .deleteServices:
            round.outcome.failed.formUnion(earlier)
            // The owners of frontends that are still there have failed as well, so they are tried again.
            for (key, owner) in round.plan.surplus where mirror.owners[key] == owner {
                round.outcome.failed.insert(owner)
            }
        case .putShared:
            // Of many service ports: `SharedEntries` knows what is behind, and plans it again.
            round.outcome.failed = earlier
        default: break
        }
    }

    /// What has failed, or found no room, waits for its turn.
    mutating func keepUnfinished(of round: Round) {
        let names = names(of: round.outcome.failed).union(names(of: Set(round.plan.refusals.map(\.owner))))
        unfinished.keep(names, of: round.work, turn: turn)
        unfinished.removals.formUnion(round.gone.intersection(round.outcome.failed))
    }

    func names(of ids: Set<ServiceID>) -> Set<ServicePortName> {
        Set(ids.compactMap { mirror.records[$0]?.name })
    }

    func report(_ round: Round) -> ApplyReport {
        func failure(_ owner: ServiceID, _ operation: MapOperation?, _ error: MapError) -> ApplyReport.Failure {
            .init(port: mirror.records[owner]?.name, operation: operation, error: error)
        }
        var report = ApplyReport()
        report.written = round.outcome.written
        report.deleted = round.outcome.deleted
        report.failures = round.plan.refusals.map { failure($0.owner, nil, $0.error) }
        report.failures += round.outcome.failures.map { failure($0.planned.owner, $0.planned.operation, $0.error) }
        report.isPending = isPending
        return report
    }
}
