internal import CDatapath
internal import ServiceModel

/// Carries out operations in their order, neighbours on the same map in one batch.
///
/// An operation that fails stops the rest of its service port, and nothing else.
struct Applier<Store: MapStore> {
    let store: Store
    /// Entries in one batch; more make it no faster.
    private let batchLimit = 2048

    struct Outcome {
        var written = 0
        var deleted = 0
        /// The first failure of each service port.
        var failures: [(planned: PlannedOperation, error: MapError)] = []
        /// What has not been done: it failed, or something before it did.
        var undone: [PlannedOperation] = []
        /// Service ports of which nothing more is done.
        var failed: Set<ServiceID> = []
    }

    /// Each success is entered into the mirror.
    func run(_ operations: [PlannedOperation], mirror: inout Mirror, outcome: inout Outcome) {
        var start = 0
        while start < operations.count {
            let (map, isDeletion) = (operations[start].operation.map, operations[start].operation.isDeletion)
            var (end, size) = (start, 0)
            while end < operations.count, size < batchLimit, operations[end].operation.map == map,
                operations[end].operation.isDeletion == isDeletion
            {
                size += operations[end].operation.entryCount
                end += 1
            }
            perform(operations[start..<end], on: map, mirror: &mirror, outcome: &outcome)
            start = end
        }
    }

    private func perform(
        _ operations: ArraySlice<PlannedOperation>, on map: ServiceMap, mirror: inout Mirror, outcome: inout Outcome
    ) {
        var possible: [PlannedOperation] = []
        possible.reserveCapacity(operations.count)
        for planned in operations {
            if outcome.failed.contains(planned.owner) {
                outcome.undone.append(planned)
            } else {
                possible.append(planned)
            }
        }
        let errors = map == .vipFilter ? mark(possible, beside: mirror.filter) : send(possible, to: map)
        for (index, planned) in possible.enumerated() {
            if let error = errors[index] {
                outcome.undone.append(planned)
                if outcome.failed.insert(planned.owner).inserted { outcome.failures.append((planned, error)) }
            } else {
                mirror.commit(planned)
                if planned.operation.isDeletion {
                    outcome.deleted += 1
                } else {
                    outcome.written += planned.operation.entryCount
                }
            }
        }
    }

    /// Returns the errors by the index of their operation.
    private func send(_ operations: [PlannedOperation], to map: ServiceMap) -> [Int: MapError] {
        switch map {
        case .services4, .slots4, .backends4, .sourceRanges4, .vips4: send(operations, to: map, IPv4.self)
        case .services6, .slots6, .backends6, .sourceRanges6, .vips6: send(operations, to: map, IPv6.self)
        case .backendCounters:
            write(operations, to: map) { (_, _, _: inout [backend_counter]) in
            } delete: { operation, keys in
                if case .deleteBackendCounter(let id) = operation { keys.append(id.number) }
            }
        case .servicePorts:
            write(operations, to: map) { operation, keys, values in
                guard case .putName(let id, let name) = operation else { return }
                keys.append(id.number)
                values.append(service_port(name))
            } delete: { operation, keys in
                if case .deleteName(let id) = operation { keys.append(id.number) }
            }
        case .nodePorts:
            write(operations, to: map) { operation, keys, values in
                guard case .putNodePort(let key, let service) = operation else { return }
                keys.append(node_port_key(key))
                values.append(node_port(service))
            } delete: { operation, keys in
                if case .deleteNodePort(let key) = operation { keys.append(node_port_key(key)) }
            }
        default: resetCounters(operations)
        }
    }

    /// Words of the filter are written whole: each with the bits that it has already, and those of this batch.
    private func mark(_ operations: [PlannedOperation], beside known: FrontendFilter) -> [Int: MapError] {
        var filter = known
        return write(operations, to: .vipFilter) { operation, keys, values in
            guard case .mark(let bit) = operation else { return }
            filter.insert(bit)
            keys.append(UInt32(bit.word))
            values.append(filter.words[bit.word])
        } delete: { (_: MapOperation, _: inout [UInt32]) in
        }
    }

    private func send<Family: MapFamily>(
        _ operations: [PlannedOperation], to map: ServiceMap, _: Family.Type
    ) -> [Int: MapError] {
        switch map {
        case .services4, .services6:
            write(operations, to: map) { operation, keys, values in
                guard case .putService(let key, let entry) = operation else { return }
                keys.append(Family.ServiceKey(key))
                values.append(service(entry, seal: keys[keys.count - 1].seal))
            } delete: { operation, keys in
                if case .deleteService(let key) = operation { keys.append(Family.ServiceKey(key)) }
            }
        case .backends4, .backends6:
            write(operations, to: map) { operation, keys, values in
                guard case .putBackend(let id, let entry) = operation else { return }
                keys.append(id.number)
                values.append(Family.Backend(entry))
            } delete: { operation, keys in
                if case .deleteBackend(let id, _, _, _) = operation { keys.append(id.number) }
            }
        case .sourceRanges4, .sourceRanges6:
            write(operations, to: map) { operation, keys, values in
                guard case .putSourceRange(let range, let service) = operation else { return }
                keys.append(Family.SourceRangeKey(range, of: service))
                values.append(source_range.allowing)
            } delete: { operation, keys in
                guard case .deleteSourceRange(let range, let service) = operation else { return }
                keys.append(Family.SourceRangeKey(range, of: service))
            }
        case .vips4, .vips6:
            write(operations, to: map) { operation, keys, values in
                guard case .putVIP(let address, let entry) = operation else { return }
                keys.append(Family.VIPKey(address))
                values.append(vip(entry))
            } delete: { operation, keys in
                if case .deleteVIP(let address) = operation { keys.append(Family.VIPKey(address)) }
            }
        default:
            write(operations, to: map) { operation, keys, values in
                switch operation {
                case .putSlots(_, let first, let slots):
                    keys += (0..<UInt32(slots.count)).map { first + $0 }
                    values += slots.map { Family.Slot($0) }
                case .clearSlots(_, let run):
                    keys += run.first..<run.end
                    values += repeatElement(Family.Slot(), count: Int(run.count))
                default: break
                }
            } delete: { _, _ in
            }
        }
    }

    /// Goes on behind every entry that fails; an operation has failed if one of its entries has.
    private func write<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ operations: [PlannedOperation], to map: ServiceMap,
        put: (MapOperation, inout [Key], inout [Value]) -> Void, delete: (MapOperation, inout [Key]) -> Void
    ) -> [Int: MapError] {
        var (keys, values): ([Key], [Value]) = ([], [])
        var operationOfEntry: [Int] = []
        let isDeletion = operations.first?.operation.isDeletion ?? false
        for (index, planned) in operations.enumerated() {
            if isDeletion { delete(planned.operation, &keys) } else { put(planned.operation, &keys, &values) }
            operationOfEntry += repeatElement(index, count: keys.count - operationOfEntry.count)
        }
        var errors: [Int: MapError] = [:]
        while !keys.isEmpty {
            let result = isDeletion ? store.delete(map, keys: keys) : store.update(map, keys: keys, values: values)
            guard let failure = result.failure else { break }
            let operation = operationOfEntry[result.completed]
            errors[operation] = failure
            // The other entries of the same operation are of no use without this one.
            let next = operationOfEntry.dropFirst(result.completed).firstIndex { $0 > operation } ?? keys.count
            keys.removeFirst(next)
            operationOfEntry.removeFirst(next)
            if !isDeletion { values.removeFirst(next) }
        }
        return errors
    }

    private func resetCounters(_ operations: [PlannedOperation]) -> [Int: MapError] {
        var errors: [Int: MapError] = [:]
        for (index, planned) in operations.enumerated() {
            guard case .resetCounter(let id) = planned.operation else { continue }
            do throws(MapError) {
                try store.zeroPerCPU(.serviceCounters, at: id.number)
            } catch {
                errors[index] = error
            }
        }
        return errors
    }
}

extension MapOperation {
    /// How many entries it writes.
    var entryCount: Int {
        switch self {
        case .putSlots(_, _, let slots): slots.count
        case .clearSlots(_, let run): Int(run.count)
        default: 1
        }
    }
}
