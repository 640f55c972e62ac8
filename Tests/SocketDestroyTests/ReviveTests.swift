import CDatapath
import Glibc
import NetworkLab
import ServiceMaps
import ServiceModel
import SocketDestroy
import Synchronization
import Testing

extension KernelTests {
    /// Sockets of programs that look at no error: statsd, syslog, SIP.
    @Suite("UDP sockets that are connected anew")
    struct ReviveTests {
        private static let forms: [(IPFamily, ClientFamily)] = [(.v4, .fitting), (.v4, .mapped), (.v6, .fitting)]

        private func answer(_ backend: Client) throws {
            let (bytes, source) = try backend.socket.receive()
            try backend.socket.send(bytes, to: source)
        }

        @Test(
            "who looks is told once, and who does not goes on with another backend", arguments: DestroyMechanism.present
        )
        func revives(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            for (family, form) in Self.forms {
                let service = TestService(label: "\(family)-\(form)", family: family)
                try lab.serve(service, by: [1])
                let client = try lab.connect(service.address, family: form)
                let name = try client.socket.peerName()
                let gone = try lab.serve(service, by: [2])
                let sweep = try lab.sweep(mechanism, revives: true)
                let outcome = await sweep.run(gone, permits: 100) { _, _ in }
                #expect(outcome.failure == nil)
                #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1, revived: 1))
                #expect(client.takeError() == ECONNABORTED)
                #expect(client.takeError() == 0)
                let backend = try lab.backend(.udp, service.pod(2))
                try client.socket.send([1])
                try answer(backend)
                #expect(try client.socket.receive().bytes == [1])
                #expect(try client.socket.peerName() == name)
                // The new backend is the one that it goes by now.
                let again = try lab.serve(service, by: [3])
                let second = await sweep.run(again, permits: 100) { _, _ in }
                #expect(second.counts.total == SocketCounts(found: 1, destroyed: 1, revived: 1))
                try lab.remove(service)
            }
        }

        @Test("its local address and port stay, if its program chose them", arguments: DestroyMechanism.present)
        func keepsPort(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let service = TestService()
            try lab.serve(service, by: [1])
            let client = try lab.unconnected()
            let own = SocketAddress(address: [10, 244, 0, 3], port: 5060)
            try client.socket.bind(to: own)
            try client.socket.connect(to: service.address)
            let gone = try lab.serve(service, by: [2])
            _ = await (try lab.sweep(mechanism, revives: true)).run(gone, permits: 100) { _, _ in }
            #expect(try client.socket.localName() == own)
            #expect(try client.socket.peerName() == service.address)
        }

        @Test(
            "without an endpoint it waits at the VIP, and goes on when one comes", arguments: DestroyMechanism.present)
        func waits(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let sweep = try lab.sweep(mechanism, revives: true)
            for (family, form) in Self.forms {
                let service = TestService(label: "\(family)-\(form)", family: family)
                try lab.serve(service, by: [1])
                let client = try lab.connect(service.address, family: form)
                let gone = try lab.serve(service, by: [])
                // And one that was connected when nobody was there.
                let late = try lab.connect(service.address, family: form)
                _ = await sweep.run(gone, permits: 100) { _, _ in }
                #expect(client.takeError() == ECONNABORTED)
                try lab.serve(service, by: [2])
                #expect(lab.awakened.map(\.service.service.name) == [service.label])
                let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
                #expect(outcome.counts.total == SocketCounts(found: 2, revived: 2))
                let backend = try lab.backend(.udp, service.pod(2))
                for socket in [client, late] {
                    #expect(socket.takeError() == 0)
                    try socket.socket.send([1])
                    try answer(backend)
                    #expect(try socket.socket.receive().bytes == [1])
                }
                try lab.remove(service)
            }
        }

        @Test(
            "an endpoint that comes and goes leaves them waiting, and new ones too", arguments: DestroyMechanism.present
        )
        func flaps(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let sweep = try lab.sweep(mechanism, revives: true)
            for (family, form) in Self.forms {
                let service = TestService(label: "\(family)-\(form)", family: family)
                try lab.serve(service, by: [])
                let waiting = try lab.connect(service.address, family: form)
                try lab.serve(service, by: [1])
                let awakened = lab.awakened
                try #require(!awakened.isEmpty)
                let served = try lab.connect(service.address, family: form)
                let gone = try lab.serve(service, by: [])
                let late = try lab.connect(service.address, family: form)
                // Roused since a moment ago, and empty again: all that is pending is looked at twice.
                for _ in 0..<2 {
                    let outcome = await sweep.run(gone, awakened: awakened, permits: 100) { _, _ in }
                    #expect(outcome.failure == nil)
                }
                for (name, socket) in [("waiting", waiting), ("served", served), ("late", late)] {
                    #expect(socket.isConnected, "\(name), \(family), \(form)")
                    #expect(socket.takeError() == (name == "served" ? ECONNABORTED : 0), "\(name)")
                }
                try lab.serve(service, by: [2])
                let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
                #expect(outcome.counts.total == SocketCounts(found: 3, revived: 3))
                let backend = try lab.backend(.udp, service.pod(2))
                for socket in [waiting, served, late] {
                    try socket.socket.send([1])
                    try answer(backend)
                    #expect(try socket.socket.receive().bytes == [1])
                }
                try lab.remove(service)
            }
        }

        @Test(
            "a Service at a load balancer's address serves who has heard nothing there, and comes back for its own",
            arguments: DestroyMechanism.present, Self.forms)
        func isLateElsewhere(by mechanism: DestroyMechanism, form: (IPFamily, ClientFamily)) async throws {
            let lab = try DestroyLab()
            let service = TestService(family: form.0, kind: .loadBalancer)
            let host = try lab.host(at: service)
            let sweep = try lab.sweep(mechanism, revives: true)
            func ask(_ client: Client, _ backend: Client) throws {
                try client.socket.send([1])
                try answer(backend)
                #expect(try client.socket.receive().bytes == [1])
            }
            let guest = try lab.connect(service.address, family: form.1)
            try ask(guest, host)
            let (silent, sender) = (
                try lab.connect(service.address, family: form.1), try lab.connect(service.address, family: form.1)
            )
            try sender.socket.send([7])
            #expect(try host.socket.receive().bytes == [7])
            let stranger = try lab.connect(service.address, of: .stranger, family: form.1)
            // A datagram of a mapped one names its address to the hooks, which lead it to the Service.
            let guests = form.1 == .mapped ? [stranger] : [guest, stranger]

            let backend = try lab.backend(.udp, service.pod(2))
            for round in 1...2 {
                try lab.serve(service, by: [2])
                for look in 1...2 {
                    let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
                    let served = look == 1 ? SocketCounts(found: 2, revived: 2) : SocketCounts()
                    #expect(outcome.counts.total == served, "round \(round)")
                }
                for client in [silent, sender] {
                    try ask(client, backend)
                    #expect(client.takeError() == 0)
                    #expect(try client.socket.peerName().unmapped == service.address)
                }
                for client in guests { try ask(client, host) }
                // They worked until it went, and are led back to the VIP.
                let gone = try lab.remove(service)
                let outcome = await sweep.run(gone, permits: 100) { _, _ in }
                #expect(outcome.counts.total == SocketCounts(found: 2, destroyed: 2, revived: 2))
                for client in [silent, sender] { #expect(client.takeError() == ECONNABORTED && client.isConnected) }
            }
            if form.1 == .mapped { return }
            // One of them speaks with the host while there is no Service: that goes on, too.
            try ask(silent, host)
            try lab.serve(service, by: [2])
            let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, revived: 1))
            try ask(sender, backend)
            try ask(silent, host)
            try ask(guest, host)
        }

        @Test(
            "a source that a loopback address gave is chosen anew for a backend elsewhere",
            arguments: DestroyMechanism.present, Self.forms)
        func choosesSource(by mechanism: DestroyMechanism, form: (IPFamily, ClientFamily)) async throws {
            let lab = try DestroyLab()
            let sweep = try lab.sweep(mechanism, revives: true)
            let service = TestService(family: form.0, kind: .nodePort, isAtLoopback: true)
            let early = try lab.connect(service.address, family: form.1)
            try lab.serve(service, by: [])
            let waiting = try lab.connect(service.address, family: form.1)
            #expect(try waiting.socket.localName().unmapped.address == service.address.address)
            for pod in UInt8(2)...3 {
                try lab.serve(service, by: [pod])
                let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
                #expect(outcome.failure == nil)
                let backend = try lab.backend(.udp, service.pod(pod))
                let fresh = try lab.connect(service.address, family: form.1)
                let source = try fresh.socket.localName().address
                for client in [early, waiting] {
                    #expect(try client.socket.localName().address == source)
                    try client.socket.send([1])
                    try answer(backend)
                    #expect(try client.socket.receive().bytes == [1])
                }
                // It is lost, they wait at the loopback once more.
                let gone = try lab.serve(service, by: [])
                _ = await sweep.run(gone, permits: 100) { _, _ in }
                for client in [early, waiting] {
                    #expect(client.takeError() == ECONNABORTED)
                    #expect(try client.socket.peerName().unmapped == service.address)
                }
            }
        }

        @Test("only who waits for a backend is ended for it", .enabled(if: IteratorDestroyer.isPossible, "kernel 6.5"))
        func endsWaiting() async throws {
            let lab = try DestroyLab()
            for (family, form) in Self.forms {
                let service = TestService(label: "\(family)-\(form)", family: family)
                try lab.serve(service, by: [])
                let (waiting, unnamed) = (
                    try lab.connect(service.address, family: form), try lab.connect(service.address, family: form)
                )
                try lab.serve(service, by: [1])
                let served = try lab.connect(service.address, family: form)
                let direct = try lab.connect(service.pod(1), family: form)
                let cookies = [waiting, served, direct].map(\.cookie)
                #expect(try lab.end(cookies) == 1)
                #expect(waiting.takeError() == ECONNABORTED)
                for other in [unnamed, served, direct] { #expect(other.takeError() == 0 && other.isConnected) }
                try lab.remove(service)
            }
        }

        @Test("a Service that comes after its client serves it", arguments: DestroyMechanism.present, Self.forms)
        func isLate(by mechanism: DestroyMechanism, form: (IPFamily, ClientFamily)) async throws {
            let lab = try DestroyLab()
            let service = TestService(family: form.0)
            let client = try lab.connect(service.address, family: form.1)
            let bystander = try lab.connect(service.pod(1), family: form.1)
            try lab.serve(service, by: [2])
            let sweep = try lab.sweep(mechanism, revives: true)
            let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, revived: 1))
            let backend = try lab.backend(.udp, service.pod(2))
            try client.socket.send([1])
            try answer(backend)
            #expect(try client.socket.receive().bytes == [1])
            #expect(bystander.takeError() == 0)
            #expect(try bystander.socket.peerName().unmapped == service.pod(1))
        }

        @Test(
            "a connect of TCP that waits in vain for a Service ends when it comes", arguments: DestroyMechanism.present)
        func endsConnect(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            var service = TestService()
            service.proto = .tcp
            let client = try lab.beginConnect(service.address)
            usleep(1_300_000)
            try lab.serve(service, by: [1])
            let sweep = try lab.sweep(mechanism, revives: true)
            let outcome = await sweep.run([], awakened: lab.awakened, permits: 100) { _, _ in }
            #expect(outcome.counts.total == SocketCounts(found: 1, destroyed: 1))
            #expect(client.takeError() == ECONNABORTED)
        }

        @Test(
            "who is left to the packets waits on, beside one who is served", arguments: DestroyMechanism.present,
            [Owner.left, .stranger])
        func leavesToPackets(by mechanism: DestroyMechanism, owner: Owner) async throws {
            let lab = try DestroyLab()
            let sweep = try lab.sweep(mechanism, revives: true)
            for family in [IPFamily.v4, .v6] {
                let udp = TestService(label: "udp", vip: 11, family: family)
                let tcp = TestService(label: "tcp", proto: .tcp, family: family)
                let owners = [Owner.served, owner]
                let sockets = try owners.map { try lab.connect(udp.address, of: $0) }
                // A connect of IPv6 does not wait: a route to the loopback says at once that nobody is there.
                let connects = family == .v4 ? try owners.map { try lab.beginConnect(tcp.address, of: $0) } : []
                usleep(1_300_000)
                try lab.serve(udp, by: [1])
                var awakened = lab.awakened
                try lab.serve(tcp, by: [1])
                awakened += lab.awakened
                let outcome = await sweep.run([], awakened: awakened, permits: 100) { _, _ in }
                let ended = connects.isEmpty ? 0 : 1
                #expect(outcome.counts.total == SocketCounts(found: 1 + ended, destroyed: ended, revived: 1))
                #expect(sockets.map { $0.takeError() } == [0, 0])
                #expect(connects.map { $0.takeError() } == (connects.isEmpty ? [] : [ECONNABORTED, 0]))
                let backend = try lab.backend(.udp, udp.pod(1))
                for socket in sockets { try socket.socket.send([1]) }
                #expect(try backend.socket.receive().bytes == [1])
                #expect(throws: SocketError.self, "the other's went to the VIP") { try backend.socket.receive() }
                for service in [udp, tcp] { try lab.remove(service) }
            }
        }

        @Test(
            "a connect of TCP that is answered while its Service comes goes on", arguments: DestroyMechanism.present)
        func leavesAnswered(by mechanism: DestroyMechanism) async throws {
            nonisolated(unsafe) let lab = try DestroyLab()
            // A datagram socket that waits: the sweep tells of it before it does anything.
            let names = TestService(label: "names", vip: 11)
            try lab.serve(names, by: [])
            let other = try lab.connect(names.address)
            let service = TestService(proto: .tcp)
            let address = service.address
            let client = try lab.beginConnect(address)
            usleep(1_300_000)
            try lab.serve(service, by: [1])
            var awakened = lab.awakened
            try lab.serve(names, by: [1])
            awakened += lab.awakened
            let sweep = try lab.sweep(mechanism, revives: true)
            let listener = Mutex<Client?>(nil)
            _ = await sweep.run([], awakened: awakened, permits: 100) { _, _ in
                // Its next SYN is answered, as by programs at tc.
                listener.withLock { $0 = try? lab.answer(at: address) }
                for _ in 0..<100 where !client.isConnected { usleep(100_000) }
            }
            try #require(listener.withLock { $0 != nil })
            #expect(client.takeError() == 0 && client.isConnected)
            #expect(other.takeError() == 0)
        }

        @Test("other frontends than ClusterIPs are left to who was there first", arguments: DestroyMechanism.present)
        func leavesOthers(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab()
            let service = TestService()
            let client = try lab.connect(service.address)
            try lab.serve(service, by: [2])
            var awakened = lab.awakened
            for index in awakened.indices { awakened[index].isClusterIP = false }
            let sweep = try lab.sweep(mechanism, revives: true)
            let outcome = await sweep.run([], awakened: awakened, permits: 100) { _, _ in }
            #expect(outcome.counts.isEmpty)
            #expect(client.takeError() == 0 && client.isConnected)
        }

        @Test(
            "1,000 connected UDP sockets in 50 namespaces go on within a second", arguments: DestroyMechanism.present)
        func thousand(by mechanism: DestroyMechanism) async throws {
            let lab = try DestroyLab(namespaces: 50)
            let service = TestService()
            try lab.serve(service, by: [1])
            let clients = try (0..<1_000).map { try lab.connect(service.address, in: $0 % 50) }
            let sweep = try lab.sweep(mechanism, revives: true)
            let clock = ContinuousClock()
            let start = clock.now
            let gone = try lab.serve(service, by: [3])
            let outcome = await sweep.run(gone, permits: 5_000) { _, _ in }
            let duration = clock.now - start
            print("\(mechanism): 1,000 sockets in 50 namespaces connected anew in \(duration)")
            #expect(outcome.counts.total == SocketCounts(found: 1_000, destroyed: 1_000, revived: 1_000))
            #expect(clients.allSatisfy { $0.takeError() == ECONNABORTED && $0.isConnected })
            #expect(duration < .seconds(1))
        }
    }
}
