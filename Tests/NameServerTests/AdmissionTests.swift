import ServiceModel
import ServiceNames
import Testing

@testable import DNSMessage
@testable import NameServer

/// Which clients the server answers, and what it says to what is no question.
@Suite("admission")
struct AdmissionTests {
    private func resolver(
        _ admission: Admission = Admission(allowed: []), isComplete: Bool = true
    ) throws -> NameResolver {
        let table = NameTable(.init(domain: try #require(DomainName("cluster.local"))))
        var api = Service(name: ObjectName(namespace: "default", name: "my-api"))
        api.clusterIPs = [try #require(IPAddress("10.96.0.15"))]
        table.update([(api.name, ServiceRecords(api, slices: []))], isComplete: isComplete)
        return NameResolver(
            table: table, admission: admission, counters: NameServerCounters(), upstream: nil, seconds: { 7 })
    }

    private static func query(_ name: String, _ type: RecordType = .a) -> [UInt8] {
        Query.message(for: Question(DomainName(name) ?? .root, type))
    }

    private static let known = query("my-api.default.svc.cluster.local")

    /// The code of the answer; nil for silence.
    private func code(_ resolver: NameResolver, _ message: [UInt8], from client: String = "127.0.0.1") throws -> UInt8?
    {
        guard
            case .answer(let bytes) = resolver.resolve(
                message, from: try #require(IPAddress(client)), .datagram, later: { _ in })
        else { return nil }
        return bytes[3] & 0xf
    }

    @Test(
        "the node, its pods and allowed networks are answered, others are not",
        arguments: [
            ("127.0.0.1", true), ("::1", true), ("192.0.2.1", true), ("10.244.0.7", true), ("fd00:244::7", true),
            ("198.51.100.9", true), ("192.0.2.2", false), ("10.245.0.1", false), ("2001:db8::1", false),
        ])
    func admits(client: String, isAdmitted: Bool) throws {
        let admission = Admission(allowed: [try #require(CIDR("198.51.100.0/24"))])
        admission.set(
            own: [try #require(IPAddress("192.0.2.1"))],
            networks: [try #require(CIDR("10.244.0.0/24")), try #require(CIDR("fd00:244::/64"))])
        #expect(admission.admits(try #require(IPAddress(client))) == isAdmitted)
    }

    @Test("a stranger is refused a few times a second, and then passed over")
    func boundsRefusals() throws {
        let resolver = try resolver()
        let codes = try (0..<50).map { _ in try code(resolver, Self.known, from: "203.0.113.1") }
        #expect(codes.filter { $0 == 5 }.count == Admission.mostRefusals)
        #expect(codes.suffix(40).allSatisfy { $0 == nil })
        #expect(resolver.counters[.refused] == 50)
        #expect(try code(resolver, [0], from: "203.0.113.1") == nil)
    }

    @Test("what cannot be read is counted and dropped; what can be, and has two questions, gets FORMERR")
    func malformed() throws {
        let resolver = try resolver()
        var (response, several) = (Self.known, Self.known)
        response[2] |= 0x80
        several[5] = 2
        for message in [[], [1], response, Array(Self.known.dropLast())] { #expect(try code(resolver, message) == nil) }
        #expect(try code(resolver, several) == 1)
        #expect(try code(resolver, several, from: "203.0.113.1") == nil, "strangers are not told")
        #expect(resolver.counters[.malformed] == 6)
    }

    @Test("what is not served is said so: zone transfers, other classes, other operations, later extensions")
    func notServed() throws {
        let resolver = try resolver()
        #expect(try code(resolver, Self.query("cluster.local", .axfr)) == 5)
        #expect(try code(resolver, Self.query("cluster.local", .ixfr)) == 5)
        var chaos = Self.query("version.bind")
        chaos[chaos.count - 1] = 3
        #expect(try code(resolver, chaos) == 5)
        var update = Self.known
        update[2] = 5 << 3
        #expect(try code(resolver, update) == 4)
        // Version 1 of extensions: BADVERS is 16, of which the header has the lower four bits.
        var later = Self.known + [0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0]
        later[11] = 1
        #expect(try code(resolver, later) == 0)
        #expect(try code(resolver, Self.query("www.example.com")) == 5)
        #expect(resolver.counters[.notServed] == 6)
    }

    @Test("nothing is said of the zone before all Services are known: an absence would be believed")
    func waitsForList() throws {
        let resolver = try resolver(isComplete: false)
        #expect(try code(resolver, Self.known) == 2)
        #expect(try code(resolver, Self.query("other.default.svc.cluster.local")) == 2)
        resolver.table.update([], isComplete: true)
        #expect(try code(resolver, Self.known) == 0)
        #expect(try code(resolver, Self.query("other.default.svc.cluster.local")) == 3)
        resolver.table.keepOnly([])
        #expect(try code(resolver, Self.known) == 3)
    }

    @Test(
        "resolv.conf names up to three servers, none of them this one",
        arguments: [
            ("nameserver 192.0.2.1\nnameserver\t2001:db8::1 # x\n", ["192.0.2.1:53", "[2001:db8::1]:53"]),
            ("# nameserver 192.0.2.1\n search a b\nnameserver fe80::1%eth0\nnameserver x\n", []),
            ("nameserver 10.96.0.10\nnameserver 192.0.2.1", ["192.0.2.1:53"]),
            ((1...5).map { "nameserver 192.0.2.\($0)" }.joined(separator: "\n"), (1...3).map { "192.0.2.\($0):53" }),
        ])
    func resolverFile(text: String, servers: [String]) throws {
        let own = [NameServerSettings.Address(try #require(IPAddress("10.96.0.10")))]
        #expect(ResolverFile.servers(in: text, except: own).map(\.description) == servers)
    }
}
