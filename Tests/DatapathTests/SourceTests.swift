import BPFLoader
import CDatapath
import CSelect
import NetworkLab
import Testing

extension Datapath {
    /// Lets clients in a range use the restricted frontends of a service.
    func allow(_ range: SourceRange, service: UInt32 = 1, value: UInt8 = 1) throws {
        let (bits, value) = (UInt32(LB_RANGE_PREFIX + range.bits), source_range(allow: value, pad: (0, 0, 0)))
        switch range.family {
        case .v4:
            var key = source_range4_key(prefix_length: bits, service_id: service, address: (0, 0, 0, 0))
            fill(&key.address, range.address)
            try map("source_ranges4").update(key, to: value)
        case .v6:
            var key = source_range6_key()
            (key.prefix_length, key.service_id) = (bits, service)
            fill(&key.address, range.address)
            try map("source_ranges6").update(key, to: value)
        }
    }

    /// Whether a client with this address may use a frontend of a service.
    func allows(_ family: Family, _ address: [UInt8], service: UInt32 = 1, restricted: Bool = true) throws -> Bool {
        var call = source_call()
        fill(&call.address, address)
        (call.service_id, call.source_ranges) = (service, restricted ? 1 : 0)
        let program = try object.program(named: family.name("tst_source"))
        return try program.run(packet: bytes(call, MemoryLayout<source_call>.size)).result == 1
    }
}

/// Clients 10.244.0.n or fd00:10:244::n: the last bits of the address tell them apart.
struct SourceRange {
    var family: Family
    var number: UInt8
    /// How many bits of the address are not compared.
    var free = 0

    var address: [UInt8] { family.pod(number) }
    var bits: Int32 { Int32(address.count * 8 - free) }
}

extension KernelTests {
    @Suite("Source ranges (spec 24)")
    struct SourceTests {
        @Test("a client in one of the ranges is allowed, others are not", arguments: Family.allCases)
        func decides(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            // .16 to .31, .24 to .27 and .26, each inside the one before; and .64 alone.
            for (number, free) in [(16, 4), (24, 2), (26, 0), (64, 0)] as [(UInt8, Int)] {
                try datapath.allow(SourceRange(family: family, number: number, free: free))
            }
            let inside: Set<UInt8> = Set(16...31).union([64])
            for number: UInt8 in 0...80 {
                #expect(try datapath.allows(family, family.pod(number)) == inside.contains(number), "\(number)")
            }
            #expect(try !datapath.allows(family, family.vip(16)), "the first bits count as well")
        }

        @Test("ranges of one service port say nothing about another", arguments: Family.allCases)
        func separatesServices(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            try datapath.allow(SourceRange(family: family, number: 1), service: 2)
            // Ids that differ in their first and in their last bit.
            try datapath.allow(SourceRange(family: family, number: 2), service: 3)
            try datapath.allow(SourceRange(family: family, number: 3), service: 0x8000_0002)
            let allowed = try [1, 2, 3, 0x8000_0002].map { (service: UInt32) in
                try (1...3).filter { try datapath.allows(family, family.pod($0), service: service) }
            }
            #expect(allowed == [[], [1], [2], [3]])
        }

        @Test("without ranges everybody is allowed, and nothing is looked up", arguments: Family.allCases)
        func isOpen(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            try datapath.allow(SourceRange(family: family, number: 1), value: 0)
            #expect(try datapath.allows(family, family.pod(1), restricted: false))
            #expect(try !datapath.allows(family, family.pod(1)), "only a value of 1 allows")
        }

        /// Restricts service 1, whose only backend is pod 1, to pod 3.
        private func restrict(
            _ lab: borrowing HookLab, _ form: ClientForm, _ proto: ip_protocol,
            _ check: source_check = SOURCES_EVERY_POD
        ) throws {
            let frontend = Frontend(family: form.family, proto: proto)
            try lab.datapath.put(form.family, Backend.several(1, of: 1))
            var entry = service(id: 1, kind: LOAD_BALANCER)
            entry.source_ranges = check
            try lab.datapath.put(frontend, entry)
            try lab.datapath.allow(SourceRange(family: form.family, number: 3))
        }

        private func vip(_ form: ClientForm) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.vip(10), port: 80))
        }

        private func pod(_ form: ClientForm, _ number: UInt8, port: UInt16 = 0) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.pod(number), port: port))
        }

        @Test(
            "a bound socket connects from inside a range only", arguments: ClientForm.allCases,
            [Socket.Kind.tcp, .udp])
        func connects(form: ClientForm, kind: Socket.Kind) throws {
            let lab = try HookLab()
            try restrict(lab, form, kind == .tcp ? TCP : UDP)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), kind)
            let inside = try lab.client(form, kind)
            try inside.bind(to: pod(form, 3))
            try inside.connect(to: vip(form))
            #expect(try inside.peerName() == vip(form))
            #expect(try lab.datapath.count(of: COUNT_REFUSE_SOURCE) == 0)

            let outside = try lab.client(form, kind)
            try outside.bind(to: pod(form, 4))
            if kind == .tcp {
                let error = #expect(throws: SocketError.self) { try outside.connect(to: vip(form)) }
                #expect(error?.name == "ECONNREFUSED")
            } else {
                // Nothing is sent yet (spec 55): the socket stays at the VIP, and reaches no backend.
                try lab.routeVIPs()
                try outside.connect(to: vip(form))
                #expect(try lab.datapath.place(of: outside.cookie).backend_id == 0)
            }
            #expect(try lab.datapath.count(of: COUNT_REFUSE_SOURCE) == 1)
            #expect(try lab.datapath.counts(of: 1) == ServiceCounts(forwarded: 1, source: 1))
            // Not the node's network namespace, and the ranges hold all pods.
            let unbound = try lab.client(form, kind)
            try unbound.connect(to: vip(form))
            #expect(try lab.datapath.count(of: COUNT_REFUSE_SOURCE) == 1)
            _ = consume backend
        }

        @Test(
            "a socket that is connected anew, or whose Service drops its ranges, is held against none",
            arguments: ClientForm.allCases, [false, true])
        func releases(form: ClientForm, spilled: Bool) throws {
            let lab = try HookLab()
            try restrict(lab, form, UDP, SOURCES_BY_PACKET)
            try lab.routeVIPs()
            let own = Frontend(family: form.family, vip: 20, proto: UDP)
            try lab.datapath.put(own, service(id: 1))
            if spilled { try lab.datapath.takeEveryPlace() }
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            try backend.setTimeout(milliseconds: 200)
            func isHeard(_ client: borrowing Socket) throws -> Bool {
                guard (try? client.send([1])) != nil else { return false }
                return (try? backend.receive()) != nil
            }

            // The same service port by its own address, which is open to all; and the backend itself.
            for address in [SocketAddress(address: own.address, port: 80), pod(form, 1, port: 8001)] {
                let client = try lab.client(form, .udp)
                try client.connect(to: vip(form))
                #expect(try !isHeard(client))
                try client.disconnect()
                try client.connect(to: form == .mapped && address.isV4 ? address.mapped : address)
                #expect(try isHeard(client), "\(address)")
            }
            let client = try lab.client(form, .udp)
            try client.connect(to: vip(form))
            #expect(try !isHeard(client))
            try lab.datapath.put(Frontend(family: form.family, proto: UDP), service(id: 1, kind: LOAD_BALANCER))
            #expect(try isHeard(client))
        }

        @Test(
            "a pod's socket without an address is refused where the ranges hold no pod", arguments: ClientForm.allCases)
        func noPod(form: ClientForm) throws {
            let lab = try HookLab()
            try restrict(lab, form, TCP, SOURCES_NO_POD)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .tcp)
            let unbound = try lab.client(form, .tcp)
            let error = #expect(throws: SocketError.self) { try unbound.connect(to: vip(form)) }
            #expect(error?.name == "ECONNREFUSED")
            _ = consume backend
        }

        /// Its source is the backend's own address, as of all that stays in one network namespace.
        @Test(
            "where only packets tell, a connection begins if its source is in a range", arguments: ClientForm.allCases)
        func connectsByPacket(form: ClientForm) throws {
            let lab = try HookLab()
            try restrict(lab, form, TCP, SOURCES_BY_PACKET)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .tcp)
            let outside = try lab.client(form, .tcp)
            try outside.setTimeout(milliseconds: 300)
            #expect(throws: SocketError.self) { try outside.connect(to: vip(form)) }
            #expect(try lab.datapath.count(of: COUNT_REFUSE_SOURCE) > 0)
            #expect(try lab.datapath.counts(of: 1).source > 0)
            // The same program may speak to the pod itself.
            try lab.client(form, .tcp).connect(to: pod(form, 1, port: 8001))

            try lab.datapath.allow(SourceRange(family: form.family, number: 1))
            let inside = try lab.client(form, .tcp)
            try inside.connect(to: vip(form))
            #expect(try inside.peerName() == vip(form))
            _ = consume backend
        }

        @Test(
            "where only packets tell, a datagram of a connected socket is dropped unless its source is in a range",
            arguments: ClientForm.allCases)
        func connectedByPacket(form: ClientForm) throws {
            let lab = try HookLab()
            try restrict(lab, form, UDP, SOURCES_BY_PACKET)
            try lab.routeVIPs()
            try lab.datapath.put(Frontend(family: form.family, vip: 11, proto: UDP), service(id: 2, first: 8))
            try lab.datapath.put(form.family, [Backend(id: 9, service: 2, number: 1, port: 8001)], from: 8)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            try backend.setTimeout(milliseconds: 200)
            let client = try lab.client(form, .udp)
            func isHeard() throws -> Bool {
                // A mapped socket meets the hook once more at each send, which then refuses (spec 29).
                guard (try? client.send([1])) != nil else { return false }
                return (try? backend.receive()) != nil
            }
            try client.connect(to: vip(form))
            #expect(try !isHeard())
            // The same backend by a frontend that is open, and directly.
            try client.connect(to: form.shown(SocketAddress(address: form.family.vip(11), port: 80)))
            #expect(try isHeard())
            // It has an address by now, by which the socket decides, and leaves it at the VIP (spec 55).
            try client.connect(to: vip(form))
            #expect(try !isHeard())
            try client.connect(to: pod(form, 1, port: 8001))
            #expect(try isHeard())
            try lab.datapath.allow(SourceRange(family: form.family, number: 1))
            try client.connect(to: vip(form))
            #expect(try isHeard())
        }

        @Test(
            "where only packets tell, each datagram of an unconnected socket is held against the ranges",
            arguments: ClientForm.allCases)
        func sendsByPacket(form: ClientForm) throws {
            let lab = try HookLab()
            try restrict(lab, form, UDP, SOURCES_BY_PACKET)
            try lab.datapath.put(Frontend(family: form.family, vip: 11, proto: UDP), service(id: 2, first: 8))
            try lab.datapath.put(form.family, [Backend(id: 9, service: 2, number: 1, port: 8001)], from: 8)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            try backend.setTimeout(milliseconds: 200)
            let client = try lab.client(form, .udp)
            func isHeard(_ peer: SocketAddress) throws -> Bool {
                try client.send([1], to: peer)
                return (try? backend.receive()) != nil
            }
            let open = form.shown(SocketAddress(address: form.family.vip(11), port: 80))
            for _ in 0..<2 {
                #expect(try !isHeard(vip(form)), "a closed frontend stays closed")
                #expect(try isHeard(open), "the same backend by a frontend that is open")
                #expect(try !isHeard(vip(form)))
                #expect(try isHeard(pod(form, 1, port: 8001)), "and directly")
            }
            try lab.datapath.allow(SourceRange(family: form.family, number: 1))
            #expect(try isHeard(vip(form)))
        }

        @Test("each datagram of an unconnected socket is checked", arguments: ClientForm.allCases)
        func sends(form: ClientForm) throws {
            let lab = try HookLab()
            try restrict(lab, form, UDP)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            let inside = try lab.client(form, .udp)
            try inside.bind(to: pod(form, 3))
            let outside = try lab.client(form, .udp)
            try outside.bind(to: pod(form, 4))
            for _ in 0..<2 {
                try inside.send([1], to: vip(form))
                try backend.answer()
                #expect(try inside.receive().source == vip(form))
                let error = #expect(throws: SocketError.self) { try outside.send([1], to: vip(form)) }
                let expected = datapath_config.ofThisKernel.has_set_retval == 1 ? "ECONNREFUSED" : "EPERM"
                #expect(error?.name == expected)
            }
            #expect(try lab.datapath.count(of: COUNT_FORWARD_SAME_FLOW) == 1)
            #expect(try lab.datapath.count(of: COUNT_REFUSE_SOURCE) == 2)
        }

        /// Asks again after the ranges have changed: a new socket, and those that have asked before.
        private func narrow(
            _ lab: borrowing HookLab, _ form: ClientForm, to check: source_check, range: SourceRange? = nil
        ) throws {
            if let range { try lab.datapath.allow(range, value: 0) }
            var entry = service(id: 1, kind: LOAD_BALANCER)
            entry.source_ranges = check
            try lab.datapath.put(Frontend(family: form.family, proto: UDP), entry)
        }

        @Test(
            "ranges that are narrowed let those go on who have begun (spec 24)", arguments: ClientForm.allCases,
            [SOURCES_EVERY_POD, SOURCES_BY_PACKET])
        func goesOn(form: ClientForm, before: source_check) throws {
            let lab = try HookLab()
            try restrict(lab, form, UDP, before)
            try lab.datapath.allow(SourceRange(family: form.family, number: 1))
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            try backend.setTimeout(milliseconds: 200)
            let connected = try lab.client(form, .udp)
            try connected.connect(to: vip(form))
            let bound = try lab.client(form, .udp)
            try bound.bind(to: pod(form, 3))
            let unconnected = try lab.client(form, .udp)
            let silent = try lab.client(form, .udp)
            func isHeard(_ client: borrowing Socket, isConnected: Bool = false) throws -> Bool {
                guard (try? client.send([1], to: isConnected ? nil : vip(form))) != nil else { return false }
                return (try? backend.receive()) != nil
            }
            #expect(try isHeard(connected, isConnected: true) && isHeard(bound) && isHeard(unconnected))
            for check in [SOURCES_BY_PACKET, SOURCES_NO_POD] {
                for range in [1, 3] as [UInt8] {
                    try narrow(lab, form, to: check, range: SourceRange(family: form.family, number: range))
                }
                // Mapped, the kernel asks at each send of a connected socket, too: for the backend itself.
                #expect(try isHeard(connected, isConnected: true) && isHeard(bound) && isHeard(unconnected))
                #expect(try !isHeard(silent), "who has sent nothing yet is a newcomer")
            }
            // Another endpoint is another flow.
            try lab.datapath.put(form.family, [Backend(id: 2, service: 1, number: 1, port: 8001)])
            _ = try lab.datapath.map(form.family.name("backends")).delete(UInt32(1))
            #expect(try !isHeard(unconnected) && !isHeard(bound))
        }

        @Test("who was never let through begins anew", arguments: ClientForm.allCases)
        func neverBegan(form: ClientForm) throws {
            let lab = try HookLab()
            try restrict(lab, form, UDP, SOURCES_BY_PACKET)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            try backend.setTimeout(milliseconds: 200)
            let client = try lab.client(form, .udp)
            func isHeard() throws -> Bool {
                guard (try? client.send([1], to: vip(form))) != nil else { return false }
                return (try? backend.receive()) != nil
            }
            #expect(try !isHeard() && !isHeard())
            try narrow(lab, form, to: SOURCES_NO_POD)
            #expect(try !isHeard())
            try narrow(lab, form, to: SOURCES_BY_PACKET)
            #expect(try !isHeard())
            try narrow(lab, form, to: SOURCES_EVERY_POD)
            #expect(try isHeard())
        }
    }
}
