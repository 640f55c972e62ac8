package import DNSMessage
import ServiceModel

extension ServiceZone {
    /// What the zone has to say to a question.
    package enum Verdict: Sendable {
        /// The whole answer.
        case answer(Response)
        /// An alias whose end lies outside: the answers so far, and the name that others must be asked for.
        case alias(Response, to: DomainName)
        /// No name of ours: for the upstream servers.
        case elsewhere
    }

    /// How many aliases are followed within the zone before they are taken for a circle.
    static let longestChain = 8

    package func answer(_ question: Question, _ excerpt: Excerpt = .everything) -> Verdict {
        if let verdict = pointer(question) { return verdict }
        guard question.name.labels(below: settings.domain) != nil else { return .elsewhere }
        var response = Response()
        response.isAuthoritative = true
        var name = question.name
        for _ in 0..<Self.longestChain {
            guard let labels = name.labels(below: settings.domain) else { return .alias(response, to: name) }
            switch find(labels, question.type, name, excerpt) {
            case .nothing:
                response.code = .nameError
                response.authorities = [authority]
            case .alias(let target):
                response.answers.append(record(name, .alias(target)))
                if question.type == .cname || question.type == .any { return .answer(response) }
                name = target
                continue
            case .records(let records, let additionals):
                let wanted = records.filter { question.type == .any || $0.type == question.type }
                response.answers += wanted
                if wanted.isEmpty {
                    response.authorities = [authority]
                } else if question.type == .srv {
                    response.additionals = additionals
                }
            }
            return .answer(response)
        }
        return .answer(Response(.serverFailure))
    }

    private enum Found {
        case nothing
        case alias(DomainName)
        /// Perhaps none, for a name that exists.
        case records([Record], additionals: [Record] = [])
    }

    private func find(
        _ labels: [ArraySlice<UInt8>], _ type: RecordType, _ name: DomainName, _ excerpt: Excerpt
    ) -> Found {
        if labels.isEmpty {
            return .records([authority, record(name, .nameServer(primary))])
        }
        if labels.count == 1, labels[0].elementsEqual("dns-version".utf8) {
            return .records([record(name, .text(Self.schemaVersion))])
        }
        if name == primary { return .records(settings.serverAddresses.map { record(name, .address($0.bytes)) }) }
        if labels.last?.elementsEqual("pod".utf8) == true { return pod(labels, name) }
        guard let last = labels.last, last.elementsEqual("svc".utf8) else {
            return labels.last?.elementsEqual("dns".utf8) == true && labels.count == 1 ? .records([]) : .nothing
        }
        switch labels.count {
        case 1: return .records([])
        case 2: return hasNamespace(labels[0]) ? .records([]) : .nothing
        default:
            guard let records = records(labels[labels.count - 2], labels[labels.count - 3]) else { return .nothing }
            return find(labels.dropLast(3), of: records.content, type, name, excerpt)
        }
    }

    /// A pod by its address, which says nothing of whether there is one (section 2.6: deprecated, and required still).
    private func pod(_ labels: [ArraySlice<UInt8>], _ name: DomainName) -> Found {
        if labels.count < 3 { return .records([]) }
        guard labels.count == 3, let address = IPAddress(dashed: labels[0]) else { return .nothing }
        return .records([record(name, .address(address.bytes))])
    }

    /// - Parameter labels: what stands before the Service's name.
    private func find(
        _ labels: ArraySlice<ArraySlice<UInt8>>, of content: ServiceRecords.Content, _ type: RecordType,
        _ name: DomainName, _ excerpt: Excerpt
    ) -> Found {
        switch content {
        case .external(let target): return labels.isEmpty ? .alias(target) : .nothing
        case .clusterIPs(let addresses, let ports):
            if labels.isEmpty { return .records(addresses.map { record(name, .address($0.bytes)) }) }
            guard let owner = ancestor(of: name, above: labels.count), let wanted = PortLabels(labels) else {
                return .nothing
            }
            return services(ports.filter(wanted.match).map { ($0, owner) }, wanted, name) {
                addresses.map { record(owner, .address($0.bytes)) }
            }
        case .headless(let endpoints):
            // Nothing that is ready: the name does not exist (section 2.4.1).
            if endpoints.isEmpty { return .nothing }
            if !labels.isEmpty { return find(labels, among: endpoints, name, excerpt) }
            let taken = excerpt.of(endpoints, each: Record.smallestAddress) { endpoint in
                switch type {
                case .a: endpoint.address.family == .v4
                case .aaaa: endpoint.address.family == .v6
                default: type == .any
                }
            }
            return .records(taken.map { record(name, .address($0.address.bytes)) })
        }
    }

    private func find(
        _ labels: ArraySlice<ArraySlice<UInt8>>, among endpoints: [ServiceRecords.NamedEndpoint], _ name: DomainName,
        _ excerpt: Excerpt
    ) -> Found {
        if labels.count == 1, let label = labels.first, label.first != UInt8(ascii: "_") {
            let own = endpoints.filter { $0.hostname.utf8.elementsEqual(label) }
            return own.isEmpty ? .nothing : .records(own.map { record(name, .address($0.address.bytes)) })
        }
        guard let owner = ancestor(of: name, above: labels.count), let wanted = PortLabels(labels) else {
            return .nothing
        }
        let size = Record.smallestAddress + owner.wire.count
        let taken = excerpt.of(endpoints, each: size) { $0.ports.contains(where: wanted.match) }
            .compactMap { endpoint in DomainName([endpoint.hostname], in: owner).map { (endpoint, $0) } }
        let ports = taken.flatMap { endpoint, target in endpoint.ports.filter(wanted.match).map { ($0, target) } }
        return services(ports, wanted, name) {
            taken.map { endpoint, target in record(target, .address(endpoint.address.bytes)) }
        }
    }

    /// SRV records: `_port._proto`, and `_proto` alone, which is there and has none.
    private func services(
        _ ports: [(ServiceRecords.NamedPort, DomainName)], _ wanted: PortLabels, _ name: DomainName,
        additionals: () -> [Record]
    ) -> Found {
        if ports.isEmpty { return .nothing }
        if wanted.name == nil { return .records([]) }
        var seen: Set<Record> = []
        let records = ports.map { port, target in
            record(
                name,
                .service(
                    priority: 0, weight: UInt16(max(1, 100 / ports.count)), port: port.number.number, target: target))
        }.filter { seen.insert($0).inserted }
        return .records(records, additionals: additionals())
    }

    private func ancestor(of name: DomainName, above count: Int) -> DomainName? {
        (0..<count).reduce(DomainName?.some(name)) { name, _ in name?.parent }
    }

    func record(_ name: DomainName, _ content: Record.Content) -> Record {
        Record(name, timeToLive: settings.timeToLive, content)
    }

    /// Of addresses that are ours; those of others are for the upstream servers.
    private func pointer(_ question: Question) -> Verdict? {
        guard let address = IPAddress(reverse: question.name) else { return nil }
        let names = names(of: address)
        if names.isEmpty { return .elsewhere }
        var response = Response()
        response.isAuthoritative = true
        if question.type == .ptr || question.type == .any {
            response.answers = names.sorted { $0.description < $1.description }.map {
                record(question.name, .pointer($0))
            }
        } else {
            response.authorities = [authority(of: address.family == .v4 ? .reverse4 : .reverse6)]
        }
        return .answer(response)
    }
}

/// The labels of a port: `_https._tcp`, or `_tcp` alone.
private struct PortLabels {
    /// Without the underscore.
    let name: ArraySlice<UInt8>?
    let proto: IPProtocol

    init?(_ labels: ArraySlice<ArraySlice<UInt8>>) {
        let underscore = UInt8(ascii: "_")
        guard labels.count <= 2, labels.allSatisfy({ $0.first == underscore }), let last = labels.last,
            let proto = IPProtocol.allCases.first(where: {
                last.dropFirst().elementsEqual("\($0)".utf8.lazy.map(\.loweredASCII))
            })
        else { return nil }
        self.proto = proto
        name = labels.count == 2 ? labels.first?.dropFirst() : nil
    }

    func match(_ port: ServiceRecords.NamedPort) -> Bool {
        guard port.proto == proto else { return false }
        return name.map { port.name.utf8.elementsEqual($0) } ?? true
    }
}

extension Record {
    /// Bytes of an address behind a pointer to its name, the least that a record has.
    fileprivate static let smallestAddress = 16
}

extension IPAddress {
    /// The address of a name such as `1.0.96.10.in-addr.arpa` or, with 32 nibbles, in `ip6.arpa` (RFC 1035 3.5,
    /// RFC 3596 2.5).
    init?(reverse name: DomainName) {
        if let labels = name.labels(below: .reverse4), labels.count == 4 {
            self.init(labels.reversed().map { String(decoding: $0, as: UTF8.self) }.joined(separator: "."))
        } else if let labels = name.labels(below: .reverse6), labels.count == 32,
            labels.allSatisfy({ $0.count == 1 })
        {
            let nibbles = labels.reversed().map { String(decoding: $0, as: UTF8.self) }
            let groups = stride(from: 0, to: 32, by: 4).map { nibbles[$0..<($0 + 4)].joined() }
            self.init(groups.joined(separator: ":"))
        } else {
            return nil
        }
    }
}
