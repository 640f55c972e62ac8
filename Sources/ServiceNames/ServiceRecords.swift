package import DNSMessage
package import ServiceModel

/// What names lead to for one Service: the part of it that the DNS specification of Kubernetes asks for (version 1.1.0).
package struct ServiceRecords: Sendable, Hashable {
    /// A named port, as an SRV record has it; in lower case, as names are compared.
    package struct NamedPort: Sendable, Hashable {
        package var name: String
        package var proto: IPProtocol
        package var number: Port
    }

    /// An endpoint of a headless Service that has a name of its own below the Service's.
    package struct NamedEndpoint: Sendable, Hashable {
        /// The endpoint's hostname in lower case, or its address with dashes.
        package var hostname: String
        package var address: IPAddress
        package var ports: [NamedPort]
    }

    package enum Content: Sendable, Hashable {
        /// One address of each family (section 2.3).
        case clusterIPs([IPAddress], ports: [NamedPort])
        /// The endpoints that are ready, sorted by address; none means that the name does not exist (section 2.4).
        case headless([NamedEndpoint])
        /// Another name (section 2.5).
        case external(DomainName)
    }

    package var content: Content

    init(_ content: Content) { self.content = content }

    /// Nil for a Service without anything to name: no ClusterIP yet, or an external name that is none.
    package init?(_ service: Service, slices: [EndpointSlice]) {
        if service.kind == .externalName {
            guard let target = service.externalName.flatMap({ DomainName($0) }), !target.isRoot else { return nil }
            content = .external(target)
        } else if service.isHeadless {
            content = .headless(Self.endpoints(of: service, slices))
        } else {
            if service.clusterIPs.isEmpty { return nil }
            let ports = service.ports.compactMap { NamedPort($0.name, $0.proto, $0.port) }
            content = .clusterIPs(service.clusterIPs, ports: ports)
        }
    }

    /// A hostname in lower case; nil for what is no label of a host (RFC 1123 2.1), and could be taken for a port's.
    private static func label(_ hostname: String) -> String? {
        let text = hostname.lowercased()
        let isLabel = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
        return isLabel && (1...63).contains(text.utf8.count) ? text : nil
    }

    private static func endpoints(of service: Service, _ slices: [EndpointSlice]) -> [NamedEndpoint] {
        var endpoints: [NamedEndpoint] = []
        var places: [IPAddress: Int] = [:]
        for slice in slices.sorted(by: { $0.name < $1.name }) where slice.family != nil {
            let ports = slice.ports.compactMap { NamedPort($0.name, $0.proto, $0.port) }
            for endpoint in slice.endpoints where endpoint.ready || service.publishNotReadyAddresses {
                if let place = places[endpoint.address] {
                    endpoints[place].ports += ports.filter { !endpoints[place].ports.contains($0) }
                    continue
                }
                places[endpoint.address] = endpoints.count
                endpoints.append(
                    NamedEndpoint(
                        hostname: slice.hostnames[endpoint.address].flatMap(Self.label) ?? endpoint.address.dashed,
                        address: endpoint.address, ports: ports))
            }
        }
        return endpoints.sorted { $0.address < $1.address }
    }
}

extension ServiceRecords.NamedPort {
    /// Nil for a port without a name.
    fileprivate init?(_ name: String, _ proto: IPProtocol, _ number: Port) {
        if name.isEmpty { return nil }
        self.init(name: name.lowercased(), proto: proto, number: number)
    }
}

extension IPAddress {
    /// The address of a label such as `10-0-0-7` or `fd00--7`.
    init?(dashed label: some Sequence<UInt8>) {
        let text = String(decoding: Array(label), as: UTF8.self)
        self.init(text.replacing("-", with: text.split(separator: "-").count == 4 && !text.contains("--") ? "." : ":"))
    }

    /// As a label: `10-0-0-7`, `fd00--7`; a name of the system's own for an endpoint without one.
    var dashed: String {
        let text = description.replacing(family == .v4 ? "." : ":", with: "-")
        // A label begins and ends with a letter or digit (RFC 1123 2.1).
        return (text.hasPrefix("-") ? "0" : "") + text + (text.hasSuffix("-") ? "0" : "")
    }
}
