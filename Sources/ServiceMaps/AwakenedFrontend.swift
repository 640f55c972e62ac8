package import ServiceModel

/// A frontend that has begun to lead somewhere: it is new, or had no endpoint before, or admits more clients than before.
package struct AwakenedFrontend: Sendable, Hashable {
    package var address: IPAddress
    package var port: UInt16
    package var service: ServicePortName
    /// A ClusterIP is an address of no device: a socket that is connected to it without us waits for this Service.
    package var isClusterIP: Bool
    /// At another address somebody may have been before the Service: only a socket that has heard nothing there waits for it.
    package var takesSilent: Bool
    /// False: some of the sockets that wait there may be refused still. They wait on.
    package var servesAll: Bool

    package init(
        address: IPAddress, port: UInt16, service: ServicePortName, isClusterIP: Bool, takesSilent: Bool = false,
        servesAll: Bool = true
    ) {
        self.address = address
        self.port = port
        self.service = service
        self.isClusterIP = isClusterIP
        self.takesSilent = takesSilent
        self.servesAll = servesAll
    }
}

extension Mirror {
    /// To be asked before the new entry is in the mirror.
    func awakened(_ key: FrontendKey, by entry: ServiceEntry) -> AwakenedFrontend? {
        guard let name = records[entry.service]?.name else { return nil }
        if let owner = owners[key], let record = records[owner], case let (index, true) = record.position(of: key),
            record.frontends[index].entry.action == .balance
        {
            guard entry.admitsMore(than: record.frontends[index].entry) else { return nil }
            return widened(key, entry, name)
        }
        return awakened(key, entry, name)
    }

    /// Those of service ports that have got source ranges: a client that was refused may be admitted now.
    mutating func reportWidened() {
        if widened.isEmpty { return }
        let known = Set(awakened.map(\.recordedOnly))
        for id in widened.sorted() {
            guard let record = records[id], let name = record.name else { continue }
            let restricted = record.frontends.filter(\.entry.isRestricted)
            awakened += restricted.compactMap { widened($0.key, $0.entry, name) }.filter { !known.contains($0) }
        }
        widened = []
    }

    private func awakened(_ key: FrontendKey, _ entry: ServiceEntry, _ name: ServicePortName) -> AwakenedFrontend? {
        // Sockets that are left to their packets are left to wait, too.
        guard key.scope == .fromNode, entry.action == .balance, !entry.leavesSockets else { return nil }
        return AwakenedFrontend(
            address: key.address, port: key.port.number, service: name, isClusterIP: entry.kind == .clusterIP,
            takesSilent: entry.kind != .clusterIP && name.proto == .udp,
            servesAll: !entry.isRestricted)
    }

    /// Only UDP waits where it was refused, and has a record of that.
    private func widened(_ key: FrontendKey, _ entry: ServiceEntry, _ name: ServicePortName) -> AwakenedFrontend? {
        name.proto == .udp ? awakened(key, entry, name)?.recordedOnly : nil
    }
}

extension AwakenedFrontend {
    /// The same for those alone that are recorded to wait there.
    fileprivate var recordedOnly: Self {
        var frontend = self
        (frontend.isClusterIP, frontend.takesSilent) = (false, false)
        return frontend
    }
}

extension ServiceEntry {
    /// Whether it admits sockets that the earlier entry refused. What the ranges themselves admit is not in it.
    fileprivate func admitsMore(than old: ServiceEntry) -> Bool {
        guard old.isRestricted else { return false }
        return !isRestricted || (allowsHost && !old.allowsHost) || (pods != old.pods && pods != .none)
    }
}
