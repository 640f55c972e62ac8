import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import ServiceMaps
import ServiceModel
import SocketDestroy
import Synchronization
import TestKit
import Testing

extension KernelTests {
    @Suite("sockets of backends that went away")
    struct DestroyTests {
        @Test("a connected UDP socket gets ECONNABORTED, in every form of address", arguments: DestroyMechanism.present)
        func connected(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let (v4, v6) = (TestService(), TestService(label: "web6", family: .v6))
            for service in [v4, v6] { try lab.serve(service, by: [1]) }
            let clients = [
                try lab.connect(v4.address), try lab.connect(v4.address, family: .mapped), try lab.connect(v6.address),
            ]
            var gone = try lab.serve(v4, by: [2])
            gone += try lab.serve(v6, by: [2])
            let sweep = try lab.sweep(mechanism)
            let outcome = await sweep.run(gone, permits: 100) { _, _ in }
            #expect(outcome.failure == nil)
            #expect(outcome.counts.total == SocketCounts(found: 3, destroyed: 3))
            #expect(clients.map { $0.takeError() } == [ECONNABORTED, ECONNABORTED, ECONNABORTED])
            #expect(clients.count { $0.isConnected } == 0)
        }

        @Test("bystanders survive", arguments: DestroyMechanism.present)
        func bystanders(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let (service, otherPort) = (TestService(), TestService(label: "metrics", vip: 11, targetPort: 9090))
            let sameBackend = TestService(label: "shared", vip: 12)
            try lab.serve(service, by: [1])
            for other in [otherPort, sameBackend] { try lab.serve(other, by: [1]) }
            let victim = try lab.connect(service.address)
            let tcpListener = try lab.backend(.tcp, service.pod(1))
            let bystanders = [
                "direct, hooked": try lab.connect(service.pod(1)),
                "direct, not hooked": try lab.connect(service.pod(1), of: .stranger),
                "another Service, same backend address, another port": try lab.connect(otherPort.address),
                "another Service, the same backend address and port": try lab.connect(sameBackend.address),
                "TCP to the same address and port": try lab.connect(service.pod(1), .tcp),
            ]
            // One that was connected by the VIP first, and then to the backend itself.
            let changed = try lab.connect(service.address)
            try changed.socket.connect(to: service.pod(1))
            // One whose backend stays.
            let stays = TestService(label: "stays", vip: 13)
            try lab.serve(stays, by: [2])
            let other = try lab.connect(stays.address)

            let gone = try lab.serve(service, by: [3])
            let outcome = await (try lab.sweep(mechanism)).run(gone, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1))
            #expect(victim.takeError() == ECONNABORTED)
            for (what, socket) in bystanders {
                #expect(socket.takeError() == 0 && socket.isConnected, "\(what)")
            }
            #expect(changed.takeError() == 0 && changed.isConnected)
            #expect(other.takeError() == 0 && other.isConnected)
            _ = tcpListener
        }

        @Test("a list without backends, and a count, destroy nothing", arguments: DestroyMechanism.present)
        func harmless(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let service = TestService()
            try lab.serve(service, by: [1])
            let client = try lab.connect(service.address)
            let gone = try lab.serve(service, by: [2])
            let destroyer = try lab.destroyer(mechanism)
            #expect(try lab.walk(destroyer, [], .destroy(permits: 100)).isEmpty)
            #expect(try lab.walk(destroyer, gone, .count).total == SocketCounts(found: 1))
            #expect(try lab.walk(destroyer, gone, .destroy(permits: 0)).total == SocketCounts(found: 1, postponed: 1))
            var another = gone
            another[0].id = BackendID(gone[0].id.number + 1)
            #expect(try lab.walk(destroyer, another, .destroy(permits: 100)).isEmpty, "the number must fit")
            another = gone
            another[0].port += 1
            #expect(try lab.walk(destroyer, another, .destroy(permits: 100)).isEmpty, "the port must fit")
            another = gone
            another[0].service.proto = .tcp
            #expect(try lab.walk(destroyer, another, .destroy(permits: 100)).isEmpty, "the protocol must fit")
            #expect(client.takeError() == 0 && client.isConnected)
            #expect(try lab.walk(destroyer, gone, .destroy(permits: 1)).total == SocketCounts(found: 1, destroyed: 1))
            #expect(client.takeError() == ECONNABORTED)
        }

        @Test("no more are destroyed than are permitted", arguments: DestroyMechanism.present)
        func permits(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab(namespaces: 2)
            let service = TestService()
            try lab.serve(service, by: [1])
            let clients = try (0..<10).map { try lab.connect(service.address, in: $0 % 2) }
            let gone = try lab.serve(service, by: [2])
            let sweep = try lab.sweep(mechanism)
            let first = await sweep.run(gone, permits: 7) { _, _ in }
            #expect(first.counts.total == SocketCounts(found: 10, destroyed: 7, postponed: 3))
            #expect(clients.count { $0.takeError() == ECONNABORTED } == 7)
            let second = await sweep.run(gone, permits: 7) { _, _ in }
            #expect(second.counts.total == SocketCounts(found: 3, destroyed: 3))
            #expect(clients.count { $0.takeError() == ECONNABORTED } == 3)
        }

        @Test("what is destroyed is counted and told before", arguments: DestroyMechanism.present)
        func dryRun(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab(namespaces: 3)
            let service = TestService()
            try lab.serve(service, by: [1])
            let clients = try [0, 2, 2].map { try lab.connect(service.address, in: $0) }
            let gone = try lab.serve(service, by: [2])
            let told = Mutex<[String]>([])
            let sweep = try lab.sweep(mechanism)
            _ = await sweep.run(gone, permits: 100) { counts, namespaces in
                let errors = clients.map { $0.takeError() }
                told.withLock { $0.append("\(counts.found) in \(namespaces), errors \(errors)") }
            }
            _ = await sweep.run(gone, permits: 100) { _, _ in told.withLock { $0.append("again") } }
            #expect(told.withLock { $0 } == ["3 in 2, errors [0, 0, 0]"])
            #expect(clients.allSatisfy { $0.takeError() == ECONNABORTED })
        }

        /// Not UDP by netlink: the kernel shows storage of TCP sockets only.
        @Test(
            "a socket whose place another one has is found too",
            arguments: DestroyMechanism.present.flatMap { mechanism in
                (mechanism == .bpf ? [IPProtocol.tcp, .udp] : [.tcp]).map { (mechanism, $0) }
            })
        func spilled(by mechanism: DestroyMechanism, _ proto: IPProtocol) async throws {
            let lab = try DestroyLab()
            let service = TestService(proto: proto)
            let backend = try lab.backend(proto == .tcp ? .tcp : .udp, service.pod(1))
            defer { withExtendedLifetime(backend) {} }
            try lab.serve(service, by: [1])
            var taken = origin()
            (taken.cookie, taken.owners) = (.max, 1)
            let keys = Array(0..<UInt32(LB_ORIGINS))
            try lab.map("sock_origin").updateBatch(keys: keys, values: keys.map { _ in taken }).check()
            let client = try lab.connect(service.address, proto == .tcp ? .tcp : .udp)
            #expect(try client.socket.peerName() == service.address, "the way back is in storage")
            let gone = try lab.serve(service, by: [2])
            let outcome = await (try lab.sweep(mechanism)).run(gone, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1))
            #expect(client.takeError() == ECONNABORTED)
        }

        @Test("a terminating backend keeps its sockets; one whose Service is removed does not")
        func terminating() async throws {
            let lab = try DestroyLab()
            let service = TestService()
            try lab.serve(service, by: [1])
            let client = try lab.connect(service.address)
            #expect(try lab.serve(service, by: [2], terminating: [1]).isEmpty)
            #expect(client.isConnected)
            #expect(try lab.serve(service, by: [2]).map(\.address.bytes) == [[10, 244, 0, 1]])
            let late = try lab.connect(service.address)
            let gone = try lab.remove(service)
            #expect(gone.map(\.address.bytes) == [[10, 244, 0, 2]])
            let outcome = await (try lab.sweep(DestroyMechanism.present[0])).run(gone, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1))
            #expect(late.takeError() == ECONNABORTED)
        }

        @Test("an unconnected UDP socket moves at its next send (spec 32)")
        func unconnected() throws {
            let lab = try DestroyLab()
            let service = TestService()
            let (first, second) = (try lab.backend(.udp, service.pod(1)), try lab.backend(.udp, service.pod(2)))
            try lab.serve(service, by: [1])
            let client = try lab.unconnected()
            try client.socket.send([1], to: service.address)
            #expect(try first.socket.receive().bytes == [1])
            try lab.serve(service, by: [1, 2])
            for number in UInt8(2)...9 {
                try client.socket.send([number], to: service.address)
                #expect(try first.socket.receive().bytes == [number], "it stays while its backend serves")
            }
            try lab.serve(service, by: [2])
            try client.socket.send([10], to: service.address)
            #expect(try second.socket.receive().bytes == [10])
        }

        @Test("TCP connections are reset if they are asked for", arguments: DestroyMechanism.present)
        func tcp(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let service = TestService(proto: .tcp)
            let listener = try lab.backend(.tcp, service.pod(1))
            try lab.serve(service, by: [1])
            let (client, direct) = (try lab.connect(service.address, .tcp), try lab.connect(service.pod(1), .tcp))
            let gone = try lab.serve(service, by: [2])
            let outcome = await (try lab.sweep(mechanism)).run(gone, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1))
            #expect(client.takeError() == ECONNABORTED)
            #expect(direct.takeError() == 0 && direct.isConnected)
            _ = listener
        }

        @Test("a connection of multipath TCP ends as well", arguments: [Socket.Kind.tcp, .multipathTCP])
        func multipath(server: Socket.Kind) async throws {
            // A kernel without multipath TCP, or without the helper (5.19), has nothing to show here.
            guard IteratorDestroyer.isPossible, Kernel.features?.has(.multipathSockets) == true else { return }
            let lab = try DestroyLab()
            let service = TestService(proto: .tcp)
            // How long a connection without a subflow waits for another one: 60 s, unless it is told.
            try lab.set("net/mptcp/close_timeout", to: 1)
            let listener = try lab.backend(server, service.pod(1))
            try lab.serve(service, by: [1])
            let client = try lab.connect(service.address, .multipathTCP)
            let direct = try lab.connect(service.pod(1), .multipathTCP)
            let gone = try lab.serve(service, by: [2])
            let outcome = await (try lab.sweep(.bpf)).run(gone, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1))
            #expect(client.waitForHangUp(seconds: 20), "by its only subflow, or by the kernel's time-out")
            #expect(direct.takeError() == 0 && direct.isConnected)
            _ = listener
        }

        @Test(
            "1,000 connected UDP sockets in 50 namespaces are free within a second", arguments: DestroyMechanism.present
        )
        func thousand(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab(namespaces: 50)
            let (service, other) = (TestService(), TestService(label: "other", vip: 11))
            try lab.serve(service, by: [1])
            try lab.serve(other, by: [2])
            let clients = try (0..<1_000).map { try lab.connect(service.address, in: $0 % 50) }
            let bystanders = try (0..<100).map { number in
                try lab.connect(number % 2 == 0 ? other.address : service.pod(1), in: number / 2)
            }
            let sweep = try lab.sweep(mechanism)
            let clock = ContinuousClock()
            let start = clock.now
            let gone = try lab.serve(service, by: [3])
            let outcome = await sweep.run(gone, permits: 5_000) { _, _ in }
            let duration = clock.now - start
            print("\(mechanism): 1,000 sockets in 50 namespaces in \(duration)")
            let stuck = clients.count { $0.takeError() != ECONNABORTED }
            #expect(stuck == 0)
            #expect(outcome.counts.total == SocketCounts(found: 1_000, destroyed: 1_000))
            #expect(duration < .seconds(1))
            #expect(bystanders.allSatisfy { $0.takeError() == 0 && $0.isConnected })
        }
    }
}
