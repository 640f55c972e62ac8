import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import Testing

extension KernelTests {
    /// A program may bind several sockets to one port and connect each to another VIP.
    @Suite("Sockets that are bound to one port")
    struct BoundPortTests {
        /// Two Services, at .10 and .11, with the same pods.
        private func serve(
            _ lab: borrowing HookLab, _ form: ClientForm, backends count: Int, _ proto: ip_protocol = TCP
        ) throws {
            let pods = (1...count).map { UInt8($0) }
            for (id, first) in [(UInt32(1), UInt32(0)), (2, 16)] {
                let backends = pods.map { Backend(id: id * 100 + UInt32($0), service: id, number: $0, port: 8000) }
                try lab.datapath.put(form.family, backends, from: first)
                let frontend = Frontend(family: form.family, vip: 9 + UInt8(id), proto: proto)
                try lab.datapath.put(frontend, service(id: id, first: first, count: UInt32(count)))
            }
        }

        private func vip(_ form: ClientForm, _ number: UInt8) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.vip(number), port: 80))
        }

        /// A client whose port is chosen before it connects; its address, too, or none.
        private func client(
            _ lab: borrowing HookLab, _ form: ClientForm, port: UInt16, hasAddress: Bool
        ) throws -> Socket {
            let client = try lab.client(form, .tcp)
            try client.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
            try client.resetOnClose()
            let any = [UInt8](repeating: 0, count: form == .ip4 ? 4 : 16)
            let own = form.shown(SocketAddress(address: form.family.pod(10), port: port))
            try client.bind(to: hasAddress ? own : SocketAddress(address: any, port: port))
            return client
        }

        @Test(
            "each gets a backend of its own where there is one, and shows its VIP", arguments: ClientForm.allCases,
            [true, false])
        func apart(form: ClientForm, hasAddress: Bool) throws {
            let lab = try HookLab()
            try serve(lab, form, backends: 2)
            let first = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8000), .tcp)
            let second = try lab.backend(SocketAddress(address: form.family.pod(2), port: 8000), .tcp)
            // By chance alone one in two of these pairs would meet.
            for port in UInt16(20_001)...20_030 {
                let one = try client(lab, form, port: port, hasAddress: hasAddress)
                let other = try client(lab, form, port: port, hasAddress: hasAddress)
                try one.connect(to: vip(form, 10))
                try other.connect(to: vip(form, 11))
                #expect(try one.peerName() == vip(form, 10))
                #expect(try other.peerName() == vip(form, 11))
                #expect(try one.localName().port == port && other.localName().port == port)
            }
            _ = consume first
            _ = consume second
        }

        @Test("so does each of UDP, which would get the other's answers, or none", arguments: ClientForm.allCases)
        func datagrams(form: ClientForm) throws {
            let lab = try HookLab()
            try serve(lab, form, backends: 2, UDP)
            let first = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8000), .udp)
            let second = try lab.backend(SocketAddress(address: form.family.pod(2), port: 8000), .udp)
            func echo(by backend: borrowing Socket) throws {
                let question = try backend.receive()
                try backend.send(question.bytes, to: question.source)
            }
            func client(_ port: UInt16, _ vip: UInt8) throws -> Socket {
                let client = try lab.client(form, .udp)
                try client.setOption(SOL_SOCKET, SO_REUSEPORT, 1)
                let any = [UInt8](repeating: 0, count: form == .ip4 ? 4 : 16)
                try client.bind(to: SocketAddress(address: any, port: port))
                try client.connect(to: self.vip(form, vip))
                return client
            }
            for port in UInt16(20_001)...20_030 {
                let one = try client(port, 10)
                let other = try client(port, 11)
                try one.send([1])
                try other.send([2])
                try echo(by: first)
                try echo(by: second)
                #expect(try one.receive().bytes == [1])
                #expect(try other.receive().bytes == [2])
            }
        }

        @Test(
            "a VIP leads elsewhere than a socket with its port has gone", arguments: ClientForm.allCases, [true, false])
        func direct(form: ClientForm, hasAddress: Bool) throws {
            let lab = try HookLab()
            try serve(lab, form, backends: 2)
            let first = SocketAddress(address: form.family.pod(1), port: 8000)
            let backend = try lab.backend(first, .tcp)
            let second = try lab.backend(SocketAddress(address: form.family.pod(2), port: 8000), .tcp)
            for port in UInt16(20_001)...20_020 {
                let straight = try client(lab, form, port: port, hasAddress: hasAddress)
                let other = try client(lab, form, port: port, hasAddress: hasAddress)
                try straight.connect(to: form.shown(first))
                try other.connect(to: vip(form, 10))
                #expect(try straight.peerName() == form.shown(first))
                #expect(try other.peerName() == vip(form, 10))
            }
            _ = consume backend
            _ = consume second
        }

        @Test("where there is one backend only the second connect says EADDRNOTAVAIL", arguments: ClientForm.allCases)
        func single(form: ClientForm) throws {
            let lab = try HookLab()
            try serve(lab, form, backends: 1)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8000), .tcp)
            let one = try client(lab, form, port: 20_001, hasAddress: false)
            let other = try client(lab, form, port: 20_001, hasAddress: false)
            try one.connect(to: vip(form, 10))
            #expect(throws: SocketError("connect", EADDRNOTAVAIL)) { try other.connect(to: vip(form, 11)) }
            _ = consume backend
        }

        @Test("a socket without a port of its own leaves no trace", arguments: ClientForm.allCases)
        func unbound(form: ClientForm) throws {
            let lab = try HookLab()
            try serve(lab, form, backends: 1)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8000), .tcp)
            func records() throws -> Int {
                try lab.datapath.map("bound_ports").entries(key: bound_port_key.self, value: bound_port.self).count
            }
            let plain = try lab.client(form, .tcp)
            try plain.connect(to: vip(form, 10))
            #expect(try records() == 0)
            let bound = try client(lab, form, port: 20_001, hasAddress: true)
            try bound.connect(to: vip(form, 10))
            #expect(try records() == 1)
            _ = consume backend
        }
    }
}
