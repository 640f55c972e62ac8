import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

@Suite("A port with another name (spec 50)")
struct RenameTests {
    private func service(
        _ ports: [(name: String, number: Int)], pods: ClosedRange<Int> = 1...2, called: String = "dns"
    ) -> DesiredService {
        let name = Bench.name(called)
        return DesiredService(
            name: name,
            ports: ports.map { port in
                DesiredServicePort(
                    name: ServicePortName(service: name, port: port.name, proto: .tcp, family: .v4),
                    backends: pods.map {
                        DesiredBackend(
                            address: RandomCluster.pod($0, .v4), port: RandomCluster.port(port.number + 8_000))
                    },
                    frontends: [DesiredFrontend(key: Bench.key(1, port.number), kind: .clusterIP, action: .balance)])
            })
    }

    private func ids(_ bench: Bench, _ port: String, of service: String = "dns") throws -> (ServiceID, Set<UInt32>) {
        let name = ServicePortName(service: Bench.name(service), port: port, proto: .tcp, family: .v4)
        let id = try #require(bench.writer.id(of: name))
        let backends = bench.writer.mirror.records[id]?.backends.map(\.id.number) ?? []
        return (id, Set(backends))
    }

    @Test("keeps its ids, and its backends are not gone")
    func renamed() throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [service([("", 53)])]))
        let before = try ids(bench, "")
        // As one must when a second port is added.
        let report = bench.writer.apply(upserts: [service([("dns", 53), ("metrics", 80)])])
        expectDone(report)
        let after = try ids(bench, "dns")
        #expect(before.0 == after.0)
        #expect(before.1 == after.1)
        #expect(report.awakened.map(\.port) == [80])
        #expect(try bench.writer.reclaim().removedBackends == [])
        #expect(
            bench.writer.id(
                of: ServicePortName(
                    service: Bench.name("dns"), port: "", proto: .tcp, family: .v4)) == nil)
        let names: [UInt32: service_port] = [after.0.number: bench.store.contents.value(.servicePorts, after.0.number)]
            .compactMapValues { $0 }
        #expect(names.values.map { withUnsafeBytes(of: $0.port_name) { Array($0.prefix(4)) } } == [Array("dns\0".utf8)])
        #expect(bench.writer.statistics[.servicePorts]?.entries == 2)
    }

    @Test("keeps them over a restart, too")
    func restarted() throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [service([("", 53)])]))
        let before = try ids(bench, "")
        var next = try Bench(contents: bench.store.contents)
        expectDone(next.writer.apply(upserts: [service([("dns", 53)])], prune: true))
        let after = try ids(next, "dns")
        #expect(before.0 == after.0)
        #expect(before.1 == after.1)
        #expect(try next.writer.reclaim().removedBackends == [])
    }

    @Test("a Service under another name keeps them when the old one goes with it", arguments: [false, true])
    func renamedService(isRestarted: Bool) throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [service([("", 53)])]))
        let before = try ids(bench, "")
        if isRestarted { bench = try Bench(contents: bench.store.contents) }
        let next = service([("", 53)], pods: 1...3, called: "names")
        let report =
            isRestarted
            ? bench.writer.apply(upserts: [next], prune: true)
            : bench.writer.apply(upserts: [next], removals: [Bench.name("dns")])
        expectDone(report)
        let after = try ids(bench, "", of: "names")
        #expect(before.0 == after.0)
        #expect(before.1.isSubset(of: after.1) && after.1.count == 3)
        #expect(report.awakened.isEmpty)
        #expect(try bench.writer.reclaim().removedBackends == [])
        #expect(bench.writer.mirror.services[Bench.name("dns")] == nil)
        #expect(bench.writer.statistics[.servicePorts]?.entries == 1)
    }

    @Test("a Service that takes what another one keeps, or lost before, is another one")
    func successor() throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [service([("", 53)])]))
        let before = try ids(bench, "")
        expectDone(bench.writer.apply(upserts: [service([("", 53)], called: "names")]))
        #expect(try ids(bench, "", of: "names").0 != before.0)
        #expect(try ids(bench, "").0 == before.0)
    }

    @Test("a port that takes nobody's frontend is another one")
    func another() throws {
        var bench = try Bench()
        expectDone(bench.writer.apply(upserts: [service([("dns", 53)])]))
        let before = try ids(bench, "dns")
        expectDone(bench.writer.apply(upserts: [service([("web", 80)])]))
        let after = try ids(bench, "web")
        #expect(before.0 != after.0)
        #expect(try bench.writer.reclaim().removedBackends.count == 2)
    }

    @Test("a frontend has awakened when it is new, or leads somewhere at last")
    func awakens() throws {
        var bench = try Bench()
        func names(_ service: DesiredService) -> [String] {
            bench.writer.apply(upserts: [service]).awakened.map { "\($0.address):\($0.port) \($0.isClusterIP)" }
        }
        let address = "\(RandomCluster.vip(1, .v4)):80 true"
        #expect(names(Bench.service("web", at: 1, pods: 1...2)) == [address])
        #expect(names(Bench.service("web", at: 1, pods: 1...3)) == [])
        #expect(names(Bench.service("web", at: 1, pods: [])) == [])
        #expect(names(Bench.service("web", at: 1, pods: 1...1)) == [address])

        // Its sockets are left to their packets: none of them waits for it.
        var mesh = Bench.service("mesh", at: 2, pods: 1...2)
        for index in mesh.ports[0].frontends.indices { mesh.ports[0].frontends[index].leavesSockets = true }
        #expect(names(mesh) == [])
    }

    @Test("a frontend of UDP has awakened when it admits more clients than before")
    func widens() throws {
        var bench = try Bench()
        let name = ServicePortName(service: Bench.name("dns"), port: "dns", proto: .udp, family: .v4)
        func names(_ ranges: SourceRanges?) -> [String] {
            var key = Bench.key(1)
            key.proto = .udp
            let port = DesiredServicePort(
                name: name,
                backends: [DesiredBackend(address: RandomCluster.pod(1, .v4), port: RandomCluster.port(8080))],
                frontends: [DesiredFrontend(key: key, kind: .loadBalancer, action: .balance, sourceRanges: ranges)])
            let report = bench.writer.apply(upserts: [DesiredService(name: name.service, ports: [port])])
            return report.awakened.map { "\($0.port) \($0.isClusterIP) \($0.takesSilent) \($0.servesAll)" }
        }
        func ranges(_ texts: String..., vip: Bool = false, pods: SourceRanges.Pods = .none) -> SourceRanges {
            SourceRanges(texts.compactMap { CIDR($0) }, admitsVIP: vip, pods: pods)
        }
        #expect(names(ranges("10.0.0.0/8")) == ["80 false true false"], "it is new")
        #expect(names(ranges("10.0.0.0/8")) == [])
        #expect(names(ranges("10.0.0.0/8", "11.0.0.0/8")) == ["80 false false false"], "it has a range more")
        #expect(names(ranges("11.0.0.0/8")) == [], "and one less")
        #expect(names(ranges("11.0.0.0/8", vip: true)) == ["80 false false false"])
        #expect(names(ranges("11.0.0.0/8", vip: true, pods: .every)) == ["80 false false false"])
        #expect(names(ranges("11.0.0.0/8")) == [])
        #expect(names(nil) == ["80 false false true"])
        #expect(names(nil) == [])
    }
}
