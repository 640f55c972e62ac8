package import ServiceMaps
import ServiceModel

/// Rates by Service between two looks at the counters: what `swiftlet top` shows.
package struct TopReport: Codable, Sendable, Hashable {
    package struct Service: Codable, Sendable, Hashable {
        package var namespace: String
        package var name: String
        /// A second: connections, and UDP sends to a backend that the socket did not have.
        package var connects: Double
        /// A second.
        package var refused: Double
        /// A second, by the names of `RefusalReason`; a reason that did not come up has no entry.
        package var refusedByReason: [String: Double]
        /// Now: connected sockets, and flows at tc.
        package var open: Int
        /// Those that get new connections, once for each port.
        package var backends: Int
        /// Of its service port with the greatest: the busiest backend ÷ the mean; nil with fewer than two or without
        /// traffic.
        package var imbalance: Double?
        /// What the imbalance is of: `connects` where backends are counted, `open` otherwise.
        package var imbalanceOf: String?
        /// By address and port.
        package var endpoints: [Endpoint]
    }

    package struct Endpoint: Codable, Sendable, Hashable {
        /// `10.244.0.11:8080`.
        package var address: String
        package var servicePort: String
        package var isActive: Bool
        /// A second; nil without --metrics-per-backend.
        package var connects: Double?
        package var open: Int
    }

    package var schema = 1
    /// Between the looks.
    package var seconds: Double
    package var services: [Service]

    /// - Parameter open: at the second look.
    package init(
        from before: ServiceActivity, to after: ServiceActivity, over interval: Duration, open: OpenConnections
    ) {
        let seconds = max(interval / .seconds(1), 0.001)
        self.seconds = (seconds * 1_000).rounded() / 1_000
        var ids: [ObjectName: [ServiceID]] = [:]
        for (id, name) in after.names { ids[name.service, default: []].append(id) }
        let backends = Dictionary(grouping: after.backends.keys) { after.backends[$0]?.service ?? ServiceID(0) }
        services = ids.sorted { $0.key < $1.key }.map { name, ids in
            var service = Service(
                namespace: name.namespace, name: name.name, connects: 0, refused: 0, refusedByReason: [:], open: 0,
                backends: 0, endpoints: [])
            for id in ids.sorted() {
                guard let port = after.names[id] else { continue }
                // An id that has got another name meanwhile counts from zero.
                let old = before.names[id] == port ? before.counters[id] : nil
                service.take(after.counters[id] ?? .init(), since: old ?? .init(), over: seconds)
                let own = (backends[id] ?? []).sorted().compactMap { id in
                    after.backends[id].map { TopReport.Endpoint($0, id, port, before, seconds, open) }
                }
                service.take(own)
            }
            service.round()
            return service
        }
    }
}

extension TopReport.Service {
    fileprivate mutating func take(_ counter: ServiceCounter, since old: ServiceCounter, over seconds: Double) {
        connects += counter.forwarded.rate(since: old.forwarded, over: seconds)
        for (reason, count) in counter.refusals {
            let rate = count.rate(since: old.refusals[reason] ?? 0, over: seconds)
            guard rate > 0 else { continue }
            refusedByReason[reason.rawValue, default: 0] += rate
            refused += rate
        }
    }

    /// The backends of a service port of one family.
    fileprivate mutating func take(_ own: [TopReport.Endpoint]) {
        let active = own.filter(\.isActive)
        backends += active.count
        open += own.reduce(0) { $0 + $1.open }
        endpoints += own
        let counted = active.compactMap(\.connects)
        let isCounted = counted.count == active.count
        let loads = isCounted ? counted : active.map { Double($0.open) }
        guard loads.count > 1, let most = loads.max(), most > 0 else { return }
        let value = most * Double(loads.count) / loads.reduce(0, +)
        guard value > imbalance ?? 0 else { return }
        (imbalance, imbalanceOf) = (value, isCounted ? "connects" : "open")
    }

    /// To what can be read; sums were exact.
    fileprivate mutating func round() {
        connects = connects.inTenths
        refused = refused.inTenths
        refusedByReason = refusedByReason.mapValues(\.inTenths)
        imbalance = imbalance.map { ($0 * 100).rounded() / 100 }
        for index in endpoints.indices { endpoints[index].connects = endpoints[index].connects?.inTenths }
        endpoints.sort { ($0.address, $0.servicePort) < ($1.address, $1.servicePort) }
    }
}

extension TopReport.Endpoint {
    fileprivate init(
        _ backend: ServiceActivity.Backend, _ id: BackendID, _ name: ServicePortName, _ before: ServiceActivity,
        _ seconds: Double, _ open: OpenConnections
    ) {
        let host = backend.address.family == .v4 ? "\(backend.address)" : "[\(backend.address)]"
        let old = before.backends[id].flatMap { $0.service == backend.service ? $0.forwarded : nil }
        self.init(
            address: "\(host):\(backend.port)", servicePort: name.port, isActive: backend.isActive,
            connects: backend.forwarded.map { $0.rate(since: old ?? 0, over: seconds) }, open: open.of(id))
    }
}

extension UInt64 {
    /// A second. A counter that is smaller than before was made zero between the looks.
    fileprivate func rate(since old: UInt64, over seconds: Double) -> Double {
        Double(self >= old ? self - old : self) / seconds
    }
}

extension Double {
    fileprivate var inTenths: Double { (self * 10).rounded() / 10 }
}
