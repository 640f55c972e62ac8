package import DNSMessage
package import ServiceModel

/// The names of all Services, and what they lead to.
///
/// An update costs what the Service has that changes; a question costs one look for the Service, however many there
/// are. Nothing here knows of sockets or of time.
package struct ServiceZone: Sendable {
    /// The parts of the zone that a person may set.
    package struct Settings: Sendable, Hashable {
        /// `--cluster-domain`.
        package var domain: DomainName
        /// `--dns-ttl`, seconds: how long answers and absences may be remembered.
        package var timeToLive: UInt32
        /// The name server's own, which its NS record leads to.
        package var serverAddresses: [IPAddress]

        package init(domain: DomainName, timeToLive: UInt32 = 5, serverAddresses: [IPAddress] = []) {
            self.domain = domain
            self.timeToLive = timeToLive
            self.serverAddresses = serverAddresses
        }
    }

    /// The version of the specification, as `dns-version` says it.
    package static let schemaVersion = "1.1.0"

    package let settings: Settings
    /// Keyed by namespace, then by name.
    private var namespaces: [[UInt8]: [[UInt8]: ServiceRecords]] = [:]
    private var pointers: [IPAddress: [DomainName]] = [:]
    /// Rises with each change, and is in the SOA record.
    package private(set) var serial: UInt32 = 1
    package private(set) var count = 0
    let services: DomainName
    /// The name server's own name.
    let primary: DomainName
    private let mailbox: DomainName

    package init(_ settings: Settings) {
        self.settings = settings
        services = DomainName(["svc"], in: settings.domain) ?? settings.domain
        primary = DomainName(["ns", "dns"], in: settings.domain) ?? settings.domain
        mailbox = DomainName(["hostmaster"], in: settings.domain) ?? settings.domain
    }

    /// The zone's SOA record, which says how long an absence may be remembered.
    var authority: Record { authority(of: settings.domain) }

    func authority(of zone: DomainName) -> Record {
        Record(
            zone, timeToLive: settings.timeToLive,
            .authority(.init(primary: primary, mailbox: mailbox, serial: serial, minimum: settings.timeToLive)))
    }

    package mutating func set(_ name: ObjectName, to records: ServiceRecords?) {
        let (namespace, label) = (Array(name.namespace.utf8), Array(name.name.utf8))
        let before = namespaces[namespace]?[label]
        guard before != records else { return }
        serial &+= 1
        count += (records == nil ? 0 : 1) - (before == nil ? 0 : 1)
        // Listed first: what reads the zone while it changes would make each change copy it.
        for (address, name) in before.map({ reverse($0, of: name) }) ?? [] { pointers.remove(name, from: address) }
        for (address, name) in records.map({ reverse($0, of: name) }) ?? [] {
            pointers[address, default: []].append(name)
        }
        namespaces[namespace, default: [:]][label] = records
        if namespaces[namespace]?.isEmpty == true { namespaces[namespace] = nil }
    }

    /// Unsorted.
    package var entries: [ZoneImage.Entry] {
        namespaces.flatMap { namespace, services in
            services.map { label, records in
                .init(
                    ObjectName(
                        namespace: String(decoding: namespace, as: UTF8.self),
                        name: String(decoding: label, as: UTF8.self)), records)
            }
        }
    }

    /// Unsorted.
    package var serviceNames: [ObjectName] {
        namespaces.flatMap { namespace, services in
            services.keys.map {
                ObjectName(
                    namespace: String(decoding: namespace, as: UTF8.self), name: String(decoding: $0, as: UTF8.self))
            }
        }
    }

    func records(_ namespace: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> ServiceRecords? {
        namespaces[Array(namespace)]?[Array(name)]
    }

    func hasNamespace(_ label: ArraySlice<UInt8>) -> Bool { namespaces[Array(label)] != nil }

    func names(of address: IPAddress) -> [DomainName] { pointers[address] ?? [] }

    /// What PTR records lead to for a Service.
    private func reverse(_ records: ServiceRecords, of name: ObjectName) -> [(IPAddress, DomainName)] {
        guard let service = DomainName([name.name, name.namespace], in: services) else { return [] }
        return switch records.content {
        case .clusterIPs(let addresses, _): addresses.map { ($0, service) }
        case .headless(let endpoints):
            endpoints.compactMap { endpoint in
                DomainName([endpoint.hostname], in: service).map { (endpoint.address, $0) }
            }
        case .external: []
        }
    }
}

extension [IPAddress: [DomainName]] {
    fileprivate mutating func remove(_ name: DomainName, from address: IPAddress) {
        guard let place = self[address]?.firstIndex(of: name) else { return }
        self[address]?.remove(at: place)
        if self[address]?.isEmpty == true { self[address] = nil }
    }
}
