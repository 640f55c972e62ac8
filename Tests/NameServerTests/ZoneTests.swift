import DNSMessage
import ServiceModel
import Testing

@testable import ServiceNames

/// The DNS specification of Kubernetes, version 1.1.0, as a table.
@Suite("names of Services")
struct ZoneTests {
    private static func name(_ text: String) throws -> ObjectName {
        let parts = text.split(separator: "/").map(String.init)
        return ObjectName(namespace: parts[0], name: parts[1])
    }

    private func zone() throws -> ServiceZone {
        var zone = ServiceZone(.init(domain: try #require(DomainName("cluster.local"))))
        var api = Service(name: try Self.name("default/kubernetes"))
        api.clusterIPs = try ["10.3.0.1", "fd00::1"].map { try #require(IPAddress($0)) }
        api.ports = [Service.PortSpec(name: "https", port: try #require(Port(443)))]
        var pets = Service(name: try Self.name("default/headless"))
        pets.isHeadless = true
        var slice = EndpointSlice(
            name: try Self.name("default/headless-1"), serviceName: "headless", addressType: .ipv4)
        slice.ports = [EndpointSlice.PortSpec(name: "https", port: try #require(Port(443)))]
        let addresses = try (100...104).map { "10.3.0.\($0)" }.map { try #require(IPAddress($0)) }
        slice.endpoints = [
            Endpoint(address: addresses[0]), Endpoint(address: addresses[1]),
            Endpoint(address: addresses[2], ready: false), Endpoint(address: addresses[3]),
            Endpoint(address: addresses[4]),
        ]
        slice.hostnames = [
            addresses[0]: "my-pet", addresses[2]: "my-pet-2", addresses[3]: "many", addresses[4]: "many",
        ]
        var foo = Service(name: try Self.name("default/foo"))
        foo.kind = .externalName
        foo.externalName = "www.example.com"
        var inner = Service(name: try Self.name("other/inner"))
        inner.kind = .externalName
        inner.externalName = "kubernetes.default.svc.cluster.local"
        var circle = Service(name: try Self.name("other/circle"))
        circle.kind = .externalName
        circle.externalName = "circle.other.svc.cluster.local"
        var empty = Service(name: try Self.name("default/empty"))
        empty.isHeadless = true
        for service in [api, foo, inner, circle, empty] {
            zone.set(service.name, to: ServiceRecords(service, slices: []))
        }
        zone.set(pets.name, to: ServiceRecords(pets, slices: [slice]))
        return zone
    }

    private func ask(_ zone: ServiceZone, _ name: String, _ type: RecordType) throws -> String {
        switch zone.answer(Question(try #require(DomainName(name)), type)) {
        case .elsewhere: "elsewhere"
        case .alias(let response, let target): "\(text(response)) then \(target)"
        case .answer(let response): text(response)
        }
    }

    private func text(_ response: Response) -> String {
        if response.code == .nameError { return "NXDOMAIN" }
        if response.code == .serverFailure { return "SERVFAIL" }
        if response.answers.isEmpty { return response.authorities.isEmpty ? "" : "NODATA" }
        return response.answers.map { record in
            switch record.content {
            case .address(let bytes):
                bytes.count == 4 ? bytes.map { "\($0)" }.joined(separator: ".") : "v6 …\(bytes[15])"
            case .alias(let name): "CNAME \(name)"
            case .pointer(let name): "PTR \(name)"
            case .service(_, _, let port, let target): "SRV \(port) \(target)"
            case .text(let text): "\"\(text)\""
            case .nameServer(let name): "NS \(name)"
            case .authority: "SOA"
            }
        }.joined(separator: ", ")
    }

    @Test(
        "each record of the specification",
        arguments: [
            ("dns-version.cluster.local", .txt, "\"1.1.0\""),
            ("kubernetes.default.svc.cluster.local", .a, "10.3.0.1"),
            ("KUBERNETES.Default.svc.cluster.local", .aaaa, "v6 …1"),
            ("_https._tcp.kubernetes.default.svc.cluster.local", .srv, "SRV 443 kubernetes.default.svc.cluster.local."),
            ("1.0.3.10.in-addr.arpa", .ptr, "PTR kubernetes.default.svc.cluster.local."),
            ("headless.default.svc.cluster.local", .a, "10.3.0.100, 10.3.0.101, 10.3.0.103, 10.3.0.104"),
            ("my-pet.headless.default.svc.cluster.local", .a, "10.3.0.100"),
            ("10-3-0-101.headless.default.svc.cluster.local", .a, "10.3.0.101"),
            (
                "_https._tcp.headless.default.svc.cluster.local", .srv,
                ["my-pet", "10-3-0-101", "many"].map { "SRV 443 \($0).headless.default.svc.cluster.local." }
                    .joined(separator: ", ")
            ),
            ("100.0.3.10.in-addr.arpa", .ptr, "PTR my-pet.headless.default.svc.cluster.local."),
            ("many.headless.default.svc.cluster.local", .a, "10.3.0.103, 10.3.0.104"),
            ("10-3-0-7.default.pod.cluster.local", .a, "10.3.0.7"),
            ("fd00--7.any.pod.cluster.local", .aaaa, "v6 …7"),
            ("foo.default.svc.cluster.local", .a, "CNAME www.example.com. then www.example.com."),
            ("foo.default.svc.cluster.local", .cname, "CNAME www.example.com."),
            ("inner.other.svc.cluster.local", .a, "CNAME kubernetes.default.svc.cluster.local., 10.3.0.1"),
            ("circle.other.svc.cluster.local", .a, "SERVFAIL"),
        ] as [(String, RecordType, String)])
    func records(name: String, type: RecordType, answer: String) throws {
        #expect(try ask(zone(), name, type) == answer)
    }

    @Test(
        "a name that does not exist is told from one without such a record",
        arguments: [
            ("none.default.svc.cluster.local", .a, "NXDOMAIN"),
            ("kubernetes.nowhere.svc.cluster.local", .a, "NXDOMAIN"),
            ("x.kubernetes.default.svc.cluster.local", .a, "NXDOMAIN"),
            ("_http._tcp.kubernetes.default.svc.cluster.local", .srv, "NXDOMAIN"),
            ("_udp.kubernetes.default.svc.cluster.local", .srv, "NXDOMAIN"),
            ("empty.default.svc.cluster.local", .a, "NXDOMAIN"),
            ("my-pet-2.headless.default.svc.cluster.local", .a, "NXDOMAIN"),
            ("10-3-0.default.pod.cluster.local", .a, "NXDOMAIN"),
            ("10-3-0-256.default.pod.cluster.local", .a, "NXDOMAIN"),
            ("x.10-3-0-7.default.pod.cluster.local", .a, "NXDOMAIN"),
            ("10-3-0-7.default.pod.cluster.local", .aaaa, "NODATA"),
            ("default.pod.cluster.local", .a, "NODATA"), ("pod.cluster.local", .a, "NODATA"),
            ("_tcp.kubernetes.default.svc.cluster.local", .srv, "NODATA"),
            ("kubernetes.default.svc.cluster.local", .txt, "NODATA"),
            ("headless.default.svc.cluster.local", .aaaa, "NODATA"),
            ("default.svc.cluster.local", .a, "NODATA"), ("svc.cluster.local", .a, "NODATA"),
            ("cluster.local", .a, "NODATA"), ("cluster.local", .soa, "SOA"),
            ("1.0.3.10.in-addr.arpa", .a, "NODATA"), ("9.9.9.9.in-addr.arpa", .ptr, "elsewhere"),
            ("www.example.com", .a, "elsewhere"), ("local", .a, "elsewhere"),
        ] as [(String, RecordType, String)])
    func absences(name: String, type: RecordType, answer: String) throws {
        #expect(try ask(zone(), name, type) == answer)
    }

    @Test(
        "an absence has the SOA record of a zone that the name is in (RFC 2308 3)",
        arguments: ["none.default.svc.cluster.local", "cluster.local", "1.0.3.10.in-addr.arpa"])
    func authorityOfAbsence(name: String) throws {
        let name = try #require(DomainName(name))
        guard case .answer(let response) = try zone().answer(Question(name, .txt)) else {
            Issue.record("it is ours")
            return
        }
        let owner = try #require(response.authorities.first?.name)
        #expect(name.labels(below: owner) != nil, "\(owner)")
    }

    @Test("what goes leaves no name")
    func removes() throws {
        var zone = try zone()
        let before = zone.serial
        for name in ["default/kubernetes", "default/headless", "default/foo", "default/empty"] {
            zone.set(try Self.name(name), to: nil)
        }
        #expect(zone.serial == before + 4)
        #expect(zone.count == 2)
        #expect(try ask(zone, "kubernetes.default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(try ask(zone, "default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(try ask(zone, "1.0.3.10.in-addr.arpa", .ptr) == "elsewhere")
        #expect(try ask(zone, "100.0.3.10.in-addr.arpa", .ptr) == "elsewhere")
    }

    @Test(
        "of a Service with more endpoints than a message holds an answer makes no more than one record too many, others in turn",
        arguments: [RecordType.a, .srv])
    func excerpts(type: RecordType) throws {
        var zone = try zone()
        var many = Service(name: try Self.name("default/huge"))
        many.isHeadless = true
        var slice = EndpointSlice(name: try Self.name("default/huge-1"), serviceName: "huge", addressType: .ipv4)
        slice.ports = [EndpointSlice.PortSpec(name: "https", port: try #require(Port(443)))]
        slice.endpoints = (0..<5000).map { Endpoint(address: IPAddress(v4: 0x0af4_0000 + $0)) }
        zone.set(many.name, to: ServiceRecords(many, slices: [slice]))
        let name = try #require(DomainName("\(type == .srv ? "_https._tcp." : "")huge.default.svc.cluster.local"))
        let query = try Query(Query.message(for: Question(name, type)))
        var seen: Set<Record> = []
        for turn in [0, 1000, 4990] {
            guard case .answer(let response) = zone.answer(query.question, Excerpt(limit: 512, turn: turn)) else {
                Issue.record("it is ours")
                return
            }
            #expect((8...40).contains(response.answers.count))
            #expect(response.encoded(for: query, limit: 512)[2] & 2 != 0, "it says that it is cut off")
            seen.formUnion(response.answers)
        }
        #expect(seen.count >= 24)
        guard case .answer(let whole) = zone.answer(query.question) else { return }
        #expect(whole.answers.count == 5000)
    }

    @Test("a hostname is a label of a host, in lower case; another one is none")
    func hostnames() throws {
        var zone = try zone()
        var odd = Service(name: try Self.name("default/odd"))
        odd.isHeadless = true
        var slice = EndpointSlice(name: try Self.name("default/odd-1"), serviceName: "odd", addressType: .ipv4)
        let addresses = (1...3).map { IPAddress(v4: 0x0a03_0200 + $0) }
        slice.endpoints = addresses.map { Endpoint(address: $0) }
        slice.hostnames = [addresses[0]: "Upper", addresses[1]: "_tcp", addresses[2]: "a b"]
        zone.set(odd.name, to: ServiceRecords(odd, slices: [slice]))
        #expect(try ask(zone, "upper.odd.default.svc.cluster.local", .a) == "10.3.2.1")
        #expect(try ask(zone, "_tcp.odd.default.svc.cluster.local", .a) == "NXDOMAIN")
        #expect(try ask(zone, "10-3-2-2.odd.default.svc.cluster.local", .a) == "10.3.2.2")
        #expect(try ask(zone, "10-3-2-3.odd.default.svc.cluster.local", .a) == "10.3.2.3")
    }

    @Test("endpoints that are not ready have names where the Service publishes them")
    func publishesNotReady() throws {
        var service = Service(name: try Self.name("default/db"))
        service.isHeadless = true
        service.publishNotReadyAddresses = true
        var slice = EndpointSlice(name: try Self.name("default/db-1"), serviceName: "db", addressType: .ipv6)
        slice.endpoints = [Endpoint(address: try #require(IPAddress("fd00::")), ready: false)]
        var zone = try zone()
        zone.set(service.name, to: ServiceRecords(service, slices: [slice]))
        #expect(try ask(zone, "fd00--0.db.default.svc.cluster.local", .aaaa) == "v6 …0")
    }
}
