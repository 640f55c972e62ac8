import BPFLoader
import CDatapath
import NetworkLab
import Testing

/// What was counted for a service port, on all CPUs together.
struct ServiceCounts: Equatable {
    var forwarded: UInt64 = 0
    var noBackend: UInt64 = 0
    var noLocalBackend: UInt64 = 0
    var source: UInt64 = 0
    var other: UInt64 = 0
}

extension Datapath {
    func counts(of id: UInt32) throws -> ServiceCounts {
        var counts = ServiceCounts()
        for value in try map("service_counts").lookupPerCPU(id, as: service_counter.self) ?? [] {
            counts.forwarded += value.forwarded
            counts.noBackend += value.refused_no_backend
            counts.noLocalBackend += value.refused_no_local_backend
            counts.source += value.refused_source
            counts.other += value.refused_other
        }
        return counts
    }
}

extension KernelTests {
    @Suite("Counts of service ports")
    struct CountTests {
        /// Service `n` is at VIP `n`, and every one of them meets its clients with something else.
        private func serve(_ lab: borrowing HookLab, _ family: Family, _ proto: ip_protocol) throws {
            var restricted = service(id: 4)
            restricted.source_ranges = SOURCES_NO_POD
            try lab.datapath.put(family, Backend.several(1, of: 1))
            for entry in [
                service(id: 1), service(id: 2, count: 0, action: REJECT), service(id: 3, count: 0, action: DROP),
                restricted, service(id: 5, first: 100),
            ] {
                try lab.datapath.put(Frontend(family: family, vip: UInt8(entry.service_id), proto: proto), entry)
            }
            try lab.datapath.put(family, vip: 1, unknownPort: REJECT)
        }

        /// Whether a socket that is bound to an address may connect, or send a datagram.
        private func ask(
            _ lab: borrowing HookLab, _ form: ClientForm, _ kind: Socket.Kind, vip: UInt8, port: UInt16 = 80
        ) throws -> Bool {
            let client = try lab.client(form, kind)
            try client.bind(to: form.shown(SocketAddress(address: form.family.pod(4), port: 0)))
            let vip = form.shown(SocketAddress(address: form.family.vip(vip), port: port))
            do throws(SocketError) {
                if kind == .tcp { try client.connect(to: vip) } else { try client.send([1], to: vip) }
                return true
            } catch {
                return false
            }
        }

        @Test(
            "a refusal is counted for its service port, by its reason", arguments: ClientForm.allCases,
            [Socket.Kind.tcp, .udp])
        func counts(form: ClientForm, kind: Socket.Kind) throws {
            let lab = try HookLab()
            try serve(lab, form.family, kind == .tcp ? TCP : UDP)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), kind)
            for vip: UInt8 in 1...5 {
                // As often as its number, so that no count can be another one's.
                for _ in 0..<vip { #expect(try ask(lab, form, kind, vip: vip) == (vip == 1)) }
            }
            #expect(try lab.datapath.counts(of: 1) == ServiceCounts(forwarded: 1))
            #expect(try lab.datapath.counts(of: 2) == ServiceCounts(noBackend: 2))
            #expect(try lab.datapath.counts(of: 3) == ServiceCounts(noLocalBackend: 3))
            #expect(try lab.datapath.counts(of: 4) == ServiceCounts(source: 4))
            #expect(try lab.datapath.counts(of: 5) == ServiceCounts(other: 5))
            _ = consume backend
        }

        @Test("what belongs to no service port is counted at entry 0", arguments: ClientForm.allCases)
        func countsStrangers(form: ClientForm) throws {
            let lab = try HookLab()
            try serve(lab, form.family, TCP)
            #expect(try !ask(lab, form, .tcp, vip: 1, port: 81))
            #expect(try lab.datapath.counts(of: 0) == ServiceCounts(other: 1))
            #expect(try lab.datapath.counts(of: 1) == ServiceCounts())
        }
    }
}
