import CDatapath
import Glibc
import NetworkLab
import Testing

extension KernelTests {
    @Suite("The way back")
    struct WayBackTests {
        /// The frontend of service 1, whose only backend is `pod`.
        private func frontend(_ form: ClientForm, _ kind: Socket.Kind) -> Frontend {
            Frontend(family: form.family, proto: kind == .tcp ? TCP : UDP)
        }

        private func vip(_ form: ClientForm) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.vip(10), port: 80))
        }

        private func pod(_ form: ClientForm) -> SocketAddress {
            SocketAddress(address: form.family.pod(1), port: 8001)
        }

        @Test(
            "a socket has a place as long as it lives", arguments: ClientForm.allCases, [Socket.Kind.tcp, .udp])
        func ownsPlace(form: ClientForm, kind: Socket.Kind) throws {
            let lab = try HookLab()
            try lab.datapath.serve(frontend(form, kind), backends: 1)
            let backend = try lab.backend(pod(form), kind)
            let cookie = try connectAndClose(lab, form, kind)
            let place = try lab.datapath.place(of: cookie)
            #expect(place.cookie == 0)
            #expect(place.owners == 0)
            #expect(try lab.datapath.count(of: COUNT_NO_WAY_BACK) == 0)
            _ = consume backend
        }

        /// Connects, looks at the place, and closes.
        private func connectAndClose(
            _ lab: borrowing HookLab, _ form: ClientForm, _ kind: Socket.Kind
        ) throws -> UInt64 {
            let client = try lab.client(form, kind)
            try client.connect(to: vip(form))
            #expect(try client.peerName() == vip(form))
            let place = try lab.datapath.place(of: client.cookie)
            #expect(place.cookie == client.cookie)
            #expect(place.owners == 1)
            #expect(place.service_id == 1)
            #expect(place.backend_id == 1)
            #expect(place.vip_port == 80)
            #expect(place.port == 8001)
            #expect(bytes(place.address, 16) == pod(form).mapped.address)
            return client.cookie
        }

        @Test(
            "a socket whose place is taken has storage of its own", arguments: ClientForm.allCases,
            [Socket.Kind.tcp, .udp])
        func spills(form: ClientForm, kind: Socket.Kind) throws {
            let lab = try HookLab()
            try lab.datapath.serve(frontend(form, kind), backends: 1)
            let backend = try lab.backend(pod(form), kind)
            try lab.datapath.takeEveryPlace()
            let cookie = try connectWithoutPlace(lab, form, kind, backend)
            let place = try lab.datapath.place(of: cookie)
            #expect(place.cookie == .max, "who closes releases only what is its own")
            #expect(place.owners == 1)
            #expect(try lab.datapath.count(of: COUNT_NO_WAY_BACK) == 0)
        }

        private func connectWithoutPlace(
            _ lab: borrowing HookLab, _ form: ClientForm, _ kind: Socket.Kind, _ backend: borrowing Socket
        ) throws -> UInt64 {
            let client = try lab.client(form, kind)
            try client.connect(to: vip(form))
            #expect(try client.peerName() == vip(form))
            #expect(try lab.datapath.place(of: client.cookie).cookie == .max)
            if kind == .udp {
                try client.send([1])
                try backend.answer()
                #expect(try client.receive().source == vip(form))
            }
            return client.cookie
        }

        @Test(
            "a UDP socket that leaves the VIP for a backend shows the backend", arguments: ClientForm.allCases,
            [(false, false), (false, true), (true, false), (true, true)])
        func forgets(form: ClientForm, way: (spilled: Bool, disconnects: Bool)) throws {
            let lab = try HookLab()
            try lab.datapath.serve(frontend(form, .udp), backends: 1)
            if way.spilled { try lab.datapath.takeEveryPlace() }
            let backend = try lab.backend(pod(form), .udp)
            let client = try lab.client(form, .udp)
            try client.connect(to: vip(form))
            #expect(try client.peerName() == vip(form))

            if way.disconnects { try client.disconnect() }
            try client.connect(to: form.shown(pod(form)))
            #expect(try client.peerName() == form.shown(pod(form)))
            try client.send([1])
            try backend.answer()
            #expect(try client.receive().source == form.shown(pod(form)))
        }

        @Test("a UDP socket that is no more connected sees who answers", arguments: ClientForm.allCases, [false, true])
        func forgetsConnection(form: ClientForm, spilled: Bool) throws {
            let lab = try HookLab()
            try lab.datapath.serve(frontend(form, .udp), backends: 1)
            if spilled { try lab.datapath.takeEveryPlace() }
            let backend = try lab.backend(pod(form), .udp)
            let client = try lab.client(form, .udp)
            try client.connect(to: vip(form))
            try client.disconnect()
            try client.send([1], to: form.shown(pod(form)))
            try backend.answer()
            #expect(try client.receive().source == form.shown(pod(form)))
        }

        @Test("a UDP socket that moves to another VIP shows that one", arguments: ClientForm.allCases, [false, true])
        func follows(form: ClientForm, spilled: Bool) throws {
            let lab = try HookLab()
            try lab.datapath.serve(frontend(form, .udp), backends: 1)
            let other = Frontend(family: form.family, vip: 20, port: 53, proto: UDP)
            try lab.datapath.put(other, service(id: 1))
            if spilled { try lab.datapath.takeEveryPlace() }
            let client = try lab.client(form, .udp)
            try client.connect(to: vip(form))
            let second = form.shown(SocketAddress(address: other.address, port: 53))
            try client.connect(to: second)
            #expect(try client.peerName() == second)
        }

        @Test(
            "a TCP socket that leaves the VIP for a backend shows the backend", arguments: ClientForm.allCases,
            [(Socket.Kind.tcp, false), (.tcp, true), (.multipathTCP, false)])
        func forgetsAfterDisconnect(form: ClientForm, way: (kind: Socket.Kind, spilled: Bool)) throws {
            let lab = try HookLab()
            // A kernel without multipath TCP, or without the helper (5.19), has nothing to show of it.
            guard way.kind == .tcp || lab.hasMultipath else { return }
            try lab.datapath.serve(frontend(form, .tcp), backends: 1)
            if way.spilled { try lab.datapath.takeEveryPlace() }
            let backend = try lab.backend(pod(form), .tcp)
            let client = try lab.client(form, way.kind)
            try client.connect(to: vip(form))
            #expect(try client.peerName() == vip(form))
            try client.disconnect()
            try client.connect(to: form.shown(pod(form)))
            #expect(try client.peerName() == form.shown(pod(form)))
            _ = consume backend
        }

        @Test(
            "multipath TCP goes the same way", arguments: [ClientForm.ip4, .ip6], Set(["sock.bpf.o", Datapath.sockets]))
        func carriesMultipath(form: ClientForm, object: String) throws {
            let lab = try HookLab(object)
            try lab.datapath.serve(frontend(form, .tcp), backends: 1)
            let backend = try lab.backend(pod(form), .tcp)
            let descriptor = try lab.inside {
                socket(form == .ip4 ? AF_INET : AF_INET6, CInt(SOCK_STREAM.rawValue), 262)  // IPPROTO_MPTCP
            }
            // A kernel without multipath TCP, or without the helper, has nothing to show here.
            guard descriptor >= 0 else { return }
            let client = Socket(adopting: descriptor)
            guard lab.hasMultipath else { return }
            let before = try lab.datapath.takenPlaces()
            try connectMultipath(client, to: vip(form))
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == 1)
            #expect(try lab.datapath.takenPlaces() == before, "no place is left behind")
            _ = consume backend
        }

        /// Connects, looks at the peer, and closes.
        private func connectMultipath(_ client: consuming Socket, to vip: SocketAddress) throws {
            try client.connect(to: vip)
            #expect(try client.peerName() == vip)
        }
    }
}
