import DNSMessage
import Foundation
import KubernetesObjects
import Logging
import NameServer
import NodeNetwork
import ServiceMaps
import ServiceModel
import ServiceNames
import Settings
import SystemPackage
import Testing
@testable import SwiftletDaemon

/// A file of names in a directory of its own, which goes with it.
private final class NameFile {
    private let directory: FilePath

    init() throws {
        directory = FilePath(NSTemporaryDirectory()).appending("swl-\(getpid())-names-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory.string) }

    private func memory(_ plane: MemoryControlPlane, _ origin: String) throws -> NameMemory {
        NameMemory(
            names: try #require(plane.control.names), file: directory.appending("names"), origin: origin,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func keep(_ plane: MemoryControlPlane) throws {
        let memory = try memory(plane, "directory")
        #expect(memory.write(try #require(memory.names.version)) == nil)
    }

    func recall(_ plane: MemoryControlPlane, origin: String = "directory") throws {
        try memory(plane, origin).recall()
    }

    func damage() throws {
        let path = directory.appending("names").string
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
    }
}

@Suite("The control plane: names follow the maps")
struct NamesTests {
    private static func settings(serviceIPs: [String] = []) throws -> NameSettings {
        var names = NameSettings()
        names.bind = ["127.0.0.1", "10.244.0.1:5353", "fd00::1"].compactMap { NameServerSettings.Address($0) }
        names.serviceIPs = try serviceIPs.map { try #require(IPAddress($0)) }
        return names
    }

    /// The file that a process with these Services has left.
    private static func kept(_ services: Range<Int>) async throws -> NameFile {
        let plane = try MemoryControlPlane(names: try settings())
        _ = await plane.control.ingestFirst(try Objects.list(services))
        let file = try NameFile()
        try file.keep(plane)
        return file
    }

    private static func headless(_ name: String, at addresses: [String]) throws -> [ClusterEvent] {
        var service = Service(name: ObjectName(namespace: "default", name: name))
        service.isHeadless = true
        service.labels = ["service.kubernetes.io/headless": ""]
        var slice = EndpointSlice(
            name: ObjectName(namespace: "default", name: "\(name)-x"), serviceName: name, addressType: .ipv4)
        slice.labels = service.labels
        slice.endpoints = try addresses.map { Endpoint(address: try #require(IPAddress($0))) }
        return [.service(service), .slice(slice)]
    }

    /// The addresses of a name below `svc.cluster.local`, or what became of the question.
    private func ask(_ plane: MemoryControlPlane, _ name: String) throws -> String {
        let table = try #require(plane.control.names).table
        let name = try #require(DomainName("\(name).svc.cluster.local"))
        guard case .answer(let response) = table.answer(Question(name, .a)) else { return "elsewhere" }
        switch response.code {
        case .nameError: return "NXDOMAIN"
        case .serverFailure: return "SERVFAIL"
        default: break
        }
        return response.answers.compactMap { record in
            guard case .address(let bytes) = record.content else { return nil }
            return bytes.map { "\($0)" }.joined(separator: ".")
        }.joined(separator: " ")
    }

    @Test("nothing is said before the whole list, then names come, change and go as Services do")
    func follows() async throws {
        let plane = try MemoryControlPlane(names: try Self.settings())
        #expect(try ask(plane, "web-1.default") == "SERVFAIL")
        _ = await plane.control.ingest(StateBatch(events: try Objects.service(1)))
        #expect(try ask(plane, "web-1.default") == "SERVFAIL")
        _ = await plane.control.ingestFirst(try Objects.list(0..<3))
        #expect(try ask(plane, "web-1.default") == "10.96.1.1")
        #expect(try ask(plane, "web-7.default") == "NXDOMAIN")
        _ = await plane.control.ingest(
            StateBatch(events: try Objects.service(1) { $0.clusterIPs = [IPAddress(v4: 0x0a60_0909)] }))
        #expect(try ask(plane, "web-1.default") == "10.96.9.9")
        _ = await plane.control.ingest(StateBatch(events: [.serviceGone(Objects.name(1))]))
        #expect(try ask(plane, "web-1.default") == "NXDOMAIN")
    }

    @Test("headless Services have names, and nothing in the maps")
    func headless() async throws {
        let plane = try MemoryControlPlane(names: try Self.settings())
        let batch = try Self.headless("db", at: ["10.244.0.11", "10.244.0.12"])
        _ = await plane.control.ingestFirst(StateBatch(events: batch, isInitial: true))
        #expect(try ask(plane, "db.default") == "10.244.0.11 10.244.0.12")
        #expect(plane.count(.services4) == 0 && plane.count(.backends4) == 0)
        _ = await plane.control.ingest(StateBatch(events: try Self.headless("db", at: ["10.244.0.12"])))
        #expect(try ask(plane, "db.default") == "10.244.0.12")
    }

    @Test("without names nothing of headless Services is kept")
    func keepsNothing() async throws {
        let plane = try MemoryControlPlane()
        let batch = try Self.headless("db", at: ["10.244.0.11"])
        _ = await plane.control.ingestFirst(StateBatch(events: batch, isInitial: true))
        #expect(plane.control.names == nil)
        #expect(await plane.control.state.sliceCount == 0)
    }

    @Test("a VIP of DNS is a Service like any other, led to the node's address, and outlives each list")
    func ownService() async throws {
        let plane = try MemoryControlPlane(names: try Self.settings(serviceIPs: ["10.96.0.10", "fd00:96::a"]))
        _ = await plane.control.ingestFirst(try Objects.list(0..<1))
        // Over UDP and TCP; of IPv4 only the address that pods reach.
        #expect(plane.count(.services4) == 3 && plane.count(.services6) == 2)
        #expect(plane.count(.backends4) == 4 && plane.count(.backends6) == 2)
        _ = await plane.control.ingestFirst(try Objects.list(0..<0))
        #expect(plane.count(.services4) == 2 && plane.count(.services6) == 2)
        #expect(try ask(plane, "swiftlet-dns.kube-system") == "10.96.0.10")
        // It is not the cluster's, and not for its cache.
        #expect(await plane.control.completeState?.events.isEmpty == true)
    }

    @Test(
        "an object with the name of the Service of DNS, or of one of its slices, takes nothing from it, comes or goes")
    func namesakes() async throws {
        let plane = try MemoryControlPlane(names: try Self.settings(serviceIPs: ["10.96.0.10"]))
        let own = NameSettings.service
        var service = Service(name: own)
        service.clusterIPs = [IPAddress(v4: 0x0a60_0063)]
        service.ports = [.init(name: "dns", proto: .udp, port: try #require(Port(53)))]
        let sliceName = ObjectName(namespace: own.namespace, name: "other")
        var slice = EndpointSlice(name: sliceName, serviceName: own.name, addressType: .ipv4)
        slice.ports = service.ports.map { .init(name: $0.name, proto: $0.proto, port: $0.port) }
        slice.endpoints = [Endpoint(address: IPAddress(v4: 0x0af4_0063))]
        for isFirst in [true, false] {
            let events: [ClusterEvent] = [.service(service), .slice(slice)]
            _ = await plane.control.ingestFirst(StateBatch(events: events, isInitial: isFirst))
            #expect(plane.count(.services4) == 2 && plane.count(.backends4) == 2)
            #expect(try ask(plane, "swiftlet-dns.kube-system") == "10.96.0.10")
            #expect(await plane.control.namesakes.count == 2)
            _ = await plane.control.ingest(StateBatch(events: [.serviceGone(own), .sliceGone(sliceName)]))
            #expect(plane.count(.services4) == 2 && plane.count(.backends4) == 2)
            #expect(await plane.control.namesakes.isEmpty)
        }
    }

    @Test("a Service that claims the VIP of DNS does not get it")
    func claimsVIP() async throws {
        let plane = try MemoryControlPlane(names: try Self.settings(serviceIPs: ["10.96.0.10"]))
        var service = Service(name: ObjectName(namespace: "default", name: "a-first-one"))
        service.created = UnixTime(nanoseconds: 1)
        service.clusterIPs = [IPAddress(v4: 0x0a60_000a)]
        service.ports = [.init(name: "dns", proto: .udp, port: try #require(Port(53)))]
        _ = await plane.control.ingestFirst(StateBatch(events: [.service(service)], isInitial: true))
        #expect(plane.count(.backends4) == 2)
        let conflicts = await plane.control.compiler.conflicts.map { "\($0)" }
        #expect(conflicts.count == 1 && conflicts[0].contains("a-first-one"), "\(conflicts)")
    }

    @Test("while no list comes a cache is named, and maps that hold something are left as they are")
    func cached() async throws {
        let plane = try MemoryControlPlane(names: try Self.settings())
        await plane.control.name(cached: StateBatch(events: try Objects.service(1) + Objects.service(2)))
        #expect(try ask(plane, "web-1.default") == "10.96.1.1")
        #expect(plane.count(.services4) == 0)
        // What the list does not name is gone.
        _ = await plane.control.ingestFirst(try Objects.list(2..<4))
        #expect(try ask(plane, "web-1.default") == "NXDOMAIN")
        #expect(try ask(plane, "web-2.default") == "10.96.1.2")
        #expect(try ask(plane, "web-3.default") == "10.96.1.3")
    }

    @Test("names are known again before the list comes, which then says which of them there are")
    func recalls() async throws {
        let file = try await Self.kept(0..<3)
        let plane = try MemoryControlPlane(names: try Self.settings())
        try file.recall(plane)
        #expect(try ask(plane, "web-1.default") == "10.96.1.1")
        #expect(try ask(plane, "web-7.default") == "NXDOMAIN")
        // The cache of a cluster is written later than this.
        await plane.control.name(cached: StateBatch(events: try Objects.service(7)))
        #expect(try ask(plane, "web-7.default") == "NXDOMAIN")
        _ = await plane.control.ingestFirst(try Objects.list(1..<2))
        #expect(try ask(plane, "web-1.default") == "10.96.1.1")
        #expect(try ask(plane, "web-2.default") == "NXDOMAIN")
    }

    @Test("a manifest that cannot be read takes no name away, as it takes no VIP away; its end does")
    func sparesHidden() async throws {
        let file = try await Self.kept(0..<3)
        let plane = try MemoryControlPlane(names: try Self.settings())
        try file.recall(plane)
        var list = try Objects.list(0..<2)
        let problem = StateProblem(
            .unreadable, origin: "web-2.yaml", cause: "permission denied", advice: "let swiftlet read it"
        ).hiding(.anything)
        list.problems = [problem]
        _ = await plane.control.ingestFirst(list)
        #expect(try ask(plane, "web-2.default") == "10.96.1.2")
        _ = await plane.control.ingest(StateBatch(events: try Objects.service(0), resolved: [problem]))
        #expect(try ask(plane, "web-2.default") == "NXDOMAIN")
        #expect(try ask(plane, "web-1.default") == "10.96.1.1")
    }

    @Test("what another source has left, or what is damaged, is not answered")
    func recallsOwnOnly() async throws {
        let file = try await Self.kept(0..<3)
        let other = try MemoryControlPlane(names: try Self.settings())
        try file.recall(other, origin: "another")
        #expect(try ask(other, "web-1.default") == "SERVFAIL")
        try file.damage()
        let plane = try MemoryControlPlane(names: try Self.settings())
        try file.recall(plane)
        #expect(try ask(plane, "web-1.default") == "SERVFAIL")
    }

    @Test("pods are admitted, and not the node's own network, though it lie behind such a device")
    func admits() throws {
        func index(_ number: UInt32) -> LinkIndex { LinkIndex(rawValue: number) }
        let names = try #require(DaemonNames(try Self.settings()))
        names.follow(
            NetworkSnapshot(
                links: [
                    NetworkLink(index: index(2), name: "eth0", kind: "veth"),
                    NetworkLink(index: index(3), name: "br0", kind: "bridge"),
                ],
                routes: [
                    NetworkRoute(destination: try #require(CIDR("192.0.2.0/24")), link: index(2)),
                    NetworkRoute(destination: try #require(CIDR("10.244.0.0/16")), link: index(3)),
                ]))
        var node = Node(name: "node")
        node.addresses = [try #require(IPAddress("192.0.2.1"))]
        node.podCIDRs = [try #require(CIDR("fd00:244::/64"))]
        names.follow(node)
        #expect(names.admits(try #require(IPAddress("10.244.0.7"))))
        #expect(names.admits(try #require(IPAddress("fd00:244::7"))))
        #expect(!names.admits(try #require(IPAddress("192.0.2.2"))))
    }
}
