internal import ServiceModel

// The mirror follows the kernel: an operation that has succeeded is entered here.
extension Mirror {
    mutating func commit(_ planned: PlannedOperation) {
        let map = planned.operation.map
        switch planned.operation {
        case .resetCounter: break
        case .putName(let id, _):
            if records[id]?.isNameWritten == false { fill[map] += 1 }
            records[id]?.isNameWritten = true
        case .putBackend(_, let entry): commit(entry)
        case .putSlots(_, let first, _):
            guard let index = records[planned.owner]?.runs.firstIndex(where: { $0.run.first == first }) else { return }
            records[planned.owner]?.runs[index].isWritten = true
        case .putSourceRange(let range, let id):
            guard let index = records[id]?.index(of: range) else { return }
            if records[id]?.ranges[index].isWritten == false {
                fill[map] += 1
                widened.insert(id)
            }
            records[id]?.ranges[index].isWritten = true
        case .deleteSourceRange(let range, let id):
            fill[map] -= 1
            guard let index = records[id]?.index(of: range) else { return }
            records[id]?.ranges.remove(at: index)
        case .deleteBackendCounter: break
        case .mark(let bit): filter.insert(bit)
        case .putService(let key, let entry):
            if let frontend = awakened(key, by: entry) { awakened.append(frontend) }
            commit(key, entry)
        case .deleteService(let key): removeFrontend(key)
        case .putVIP(let address, let entry):
            if shared.vips[address]?.written == nil { fill[map] += 1 }
            shared.wrote(entry, at: address)
        case .deleteVIP(let address):
            fill[map] -= 1
            shared.wrote(nil, at: address)
        case .putNodePort(let key, let service):
            if shared.nodePorts[key]?.written == nil { fill[map] += 1 }
            shared.wrote(service, at: key)
        case .deleteNodePort(let key):
            fill[map] -= 1
            shared.wrote(nil, at: key)
        case .clearSlots(let family, let run): self[slots: family].release(run)
        case .deleteBackend(let id, let service, let address, let port):
            fill[map] -= 1
            backendIDs.release(id)
            guard let (index, found) = records[service]?.position(of: address, port), found,
                records[service]?.backends[index].id == id
            else { return }
            records[service]?.backends.remove(at: index)
        case .deleteName(let id):
            if records[id]?.isNameWritten == true { fill[map] -= 1 }
            forget(id)
        }
    }

    private mutating func commit(_ entry: BackendEntry) {
        let zone = zones.index(of: entry.zone)
        guard let (index, found) = records[entry.service]?.position(of: entry.address, entry.port.number), found,
            var flags = records[entry.service]?.backends[index].flags
        else { return }
        if !flags.contains(.written) { fill[.backends(entry.address.family)] += 1 }
        flags.subtract(.attributes)
        flags.formUnion(BackendFlags(entry))
        records[entry.service]?.backends[index].flags = flags.union(.written)
        records[entry.service]?.backends[index].zone = zone
    }

    /// The frontend leads to this service port from now on, and to no other.
    mutating func commit(_ key: FrontendKey, _ entry: ServiceEntry) {
        let owner = owners[key]
        if owner == entry.service, let (index, found) = records[entry.service]?.position(of: key), found {
            let old = records[entry.service]?.frontends[index].entry
            records[entry.service]?.frontends[index].entry = entry
            if let old, old.kind != entry.kind {
                shared.remove(key, old)
                shared.add(key, entry)
            }
            return
        }
        removeFrontend(key)
        guard let (index, _) = records[entry.service]?.position(of: key) else { return }
        records[entry.service]?.frontends.insert(MirroredFrontend(key: key, entry: entry), at: index)
        owners[key] = entry.service
        shared.add(key, entry)
        fill[.services(key.address.family)] += 1
    }

    private mutating func removeFrontend(_ key: FrontendKey) {
        guard let owner = owners[key], let (index, found) = records[owner]?.position(of: key), found,
            let frontend = records[owner]?.frontends.remove(at: index)
        else { return }
        owners[key] = nil
        shared.remove(key, frontend.entry)
        fill[.services(key.address.family)] -= 1
        disturbed.insert(owner)
    }
}

extension BackendFlags {
    init(_ entry: BackendEntry) {
        self = []
        if entry.state == .active { insert(.active) }
        if entry.isLocal { insert(.local) }
        if entry.inCluster { insert(.inCluster) }
        if entry.inLocal { insert(.inLocal) }
    }
}
