import CDatapath
import Glibc
import NetworkLab
import Testing

extension KernelTests {
    @Suite("Refused sockets")
    struct RefusalTests {
        /// Why nobody can be chosen.
        enum Reason: CaseIterable { case noBackend, noLocalBackend, unknownPort }

        private func refuse(_ lab: borrowing HookLab, _ family: Family, _ reason: Reason) throws {
            switch reason {
            case .noBackend, .noLocalBackend:
                let action = reason == .noBackend ? REJECT : DROP
                for proto in [TCP, UDP] {
                    try lab.datapath.put(
                        Frontend(family: family, proto: proto), service(id: 1, count: 0, action: action))
                }
            case .unknownPort: try lab.datapath.put(family, vip: 10, unknownPort: REJECT)
            }
        }

        @Test(
            "connect() of UDP sends nothing, so nothing is refused (spec 55)", arguments: ClientForm.allCases,
            Reason.allCases)
        func connects(form: ClientForm, reason: Reason) throws {
            let lab = try HookLab()
            try refuse(lab, form.family, reason)
            // The way to the VIP: its source is what the socket gets.
            let vip = form.shown(SocketAddress(address: form.family.vip(10), port: 80))
            try lab.routeVIPs()
            let client = try lab.client(form, .udp)
            try client.connect(to: vip)
            #expect(try client.peerName() == vip)
            #expect(try client.localName().unmapped.address == form.family.pod(9))
            let counter =
                switch reason {
                case .noBackend: COUNT_REFUSE_NO_BACKEND
                case .noLocalBackend: COUNT_REFUSE_NO_LOCAL_BACKEND
                case .unknownPort: COUNT_REFUSE_UNKNOWN_PORT
                }
            #expect(try lab.datapath.count(of: counter) == 1)
            if reason != .unknownPort {
                let place = try lab.datapath.place(of: client.cookie)
                #expect(place.service_id == 1)
                #expect(place.backend_id == 0)
                #expect(bytes(place.address, 16) == vip.mapped.address)
            }

            let stream = try lab.client(form, .tcp)
            #expect(throws: SocketError("connect", ECONNREFUSED)) { try stream.connect(to: vip) }
            let datagrams = try lab.client(form, .udp)
            #expect(throws: SocketError("send", ECONNREFUSED)) { try datagrams.send([1], to: vip) }
        }

        @Test("the same socket works when it is connected again", arguments: ClientForm.allCases)
        func connectsAgain(form: ClientForm) throws {
            let lab = try HookLab()
            try refuse(lab, form.family, .noBackend)
            try lab.routeVIPs()
            let vip = form.shown(SocketAddress(address: form.family.vip(10), port: 80))
            let client = try lab.client(form, .udp)
            try client.connect(to: vip)
            try lab.datapath.serve(Frontend(family: form.family, proto: UDP), backends: 1)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .udp)
            try client.connect(to: vip)
            try client.send([1])
            try backend.answer()
            #expect(try client.receive().bytes == [1])
            #expect(try client.peerName() == vip)
        }
    }
}
