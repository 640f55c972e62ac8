import KubernetesObjects
import ServiceMaps
import ServiceModel
import Synchronization
import TestKit
import Testing
@testable import SwiftletDaemon

@Suite("The control plane: more room in the maps")
struct ControlPlaneGrowthTests {
    @Test("the first list makes its room before anything of it is written, in one step")
    func first() async throws {
        let plane = try MemoryControlPlane(services: 8, grows: true)
        let summary = await plane.control.ingestFirst(try Objects.list(0..<60))
        #expect(summary.failures.isEmpty && plane.count(.services4) == 60)
        #expect(plane.growths.withLock { $0.count } == 1)
    }

    @Test("what does not fit later grows the maps, and is written then")
    func later() async throws {
        let plane = try MemoryControlPlane(services: 8, grows: true)
        _ = await plane.control.ingestFirst(try Objects.list(0..<2))
        _ = await plane.control.ingest(StateBatch(events: try (2..<20).flatMap { try Objects.service($0) }))
        await plane.control.grow()
        #expect(await plane.control.pendingPorts == 0)
        #expect(plane.count(.services4) == 20 && plane.growths.withLock { !$0.isEmpty })
    }

    @Test("maps grow once for what found room then, though something else goes on waiting")
    func once() async throws {
        let plane = try MemoryControlPlane(services: 8, grows: true)
        plane.store.refuses = { _, map in map == .sourceRanges4 }
        let restricted = try Objects.service(0) {
            $0.kind = .loadBalancer
            $0.ingress = [.init(address: IPAddress(v4: 0xc633_6407), mode: .vip)]
            $0.loadBalancerSourceRanges = ["192.0.2.0/24"]
        }
        _ = await plane.control.ingestFirst(StateBatch(events: restricted, isInitial: true))
        #expect(await plane.control.pendingPorts == 1)
        _ = await plane.control.ingest(StateBatch(events: try (1..<10).flatMap { try Objects.service($0) }))
        await plane.control.grow()
        #expect(await plane.control.pendingPorts == 1 && plane.count(.services4) == 9)
        #expect(plane.growths.withLock { $0.count } == 1)
    }

    @Test("growing that failed is tried again after a pause, not before, and a person is told meanwhile")
    func fails() async throws {
        let plane = try MemoryControlPlane(services: 8, grows: true)
        plane.refusesGrowth.withLock { $0 = true }
        _ = await plane.control.ingestFirst(try Objects.list(0..<2))
        _ = await plane.control.ingest(StateBatch(events: try (2..<20).flatMap { try Objects.service($0) }))
        await plane.control.grow()
        #expect(await plane.control.attention.count == 1)
        plane.refusesGrowth.withLock { $0 = false }
        await plane.control.grow()
        #expect(plane.growths.withLock { $0.isEmpty })
        plane.pass(.seconds(10))
        await plane.control.grow()
        #expect(await plane.control.pendingPorts == 0)
        #expect(await plane.control.attention.isEmpty && plane.count(.services4) == 20)
    }
}
