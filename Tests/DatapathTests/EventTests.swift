import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import Testing

extension KernelTests {
    @Suite("Events")
    struct EventTests {
        private func arm(_ datapath: borrowing Datapath, withCgroup: Bool = false) throws {
            let until = UInt64((KernelClock.now + .seconds(60)).components.seconds) * 1_000_000_000
            let value = listener(until: until, owner: 1, lost: 0, with_cgroup: withCgroup ? 1 : 0, pad: 0)
            try datapath.map("listeners").update(UInt32(0), to: value)
        }

        private func events(_ datapath: borrowing Datapath) throws -> [event] {
            try RingBuffer(datapath.map("events")).take(atMost: 10_000)
        }

        private func until(_ datapath: borrowing Datapath) throws -> UInt64? {
            try datapath.map("listeners").lookup(UInt32(0), as: listener.self)?.until
        }

        @Test("a connect is told with its process, its Service and its backend", arguments: ClientForm.allCases)
        func connect(form: ClientForm) throws {
            let lab = try HookLab()
            let family = form.family
            try lab.datapath.serve(Frontend(family: family), id: 7, backends: 1)
            let backend = try lab.backend(SocketAddress(address: family.pod(1), port: 8001), .tcp)
            let vip = form.shown(SocketAddress(address: family.vip(10), port: 80))
            try lab.client(form, .tcp).connect(to: vip)
            #expect(try events(lab.datapath).isEmpty, "there is no listener")

            try arm(lab.datapath)
            let before = KernelClock.now
            try lab.client(form, .tcp).connect(to: vip)
            let event = try #require(try events(lab.datapath).first)
            #expect(event.kind == EVENT_CONNECT && event.reason == COUNT_FORWARD.rawValue)
            #expect(event.pid == UInt32(getpid()) && event.cgroup == 0 && event.protocol == TCP)
            #expect(event.service_id == 7 && event.backend_id != 0)
            #expect(bytes(event.vip, 16) == vip.mapped.address && event.vip_port == 80)
            let chosen = try backend.localName().mapped
            #expect(bytes(event.backend, 16) == chosen.address && event.backend_port == chosen.port)
            let (first, last) = (before - .milliseconds(20), KernelClock.now)
            #expect((first.wholeNanoseconds...last.wholeNanoseconds).contains(event.time), "to a tick or two")
            #expect(bytes(event.command, 1) != [0])

            try arm(lab.datapath, withCgroup: true)
            try lab.client(form, .tcp).connect(to: vip)
            #expect(try events(lab.datapath).map { $0.cgroup != 0 } == [true], "where it is asked for")
        }

        @Test("a refusal is told with its reason, a send once for each flow", arguments: ClientForm.allCases)
        func refusals(form: ClientForm) throws {
            let lab = try HookLab()
            let family = form.family
            try lab.datapath.put(Frontend(family: family), service(id: 3, count: 0, action: REJECT))
            try lab.datapath.serve(Frontend(family: family, proto: UDP), id: 4, backends: 1)
            try arm(lab.datapath)
            let vip = form.shown(SocketAddress(address: family.vip(10), port: 80))
            let stream = try lab.client(form, .tcp)
            #expect(throws: SocketError("connect", ECONNREFUSED)) { try stream.connect(to: vip) }
            let datagrams = try lab.client(form, .udp)
            for _ in 0..<3 { try datagrams.send([1], to: vip) }
            let told = try events(lab.datapath)
            #expect(told.map(\.reason) == [COUNT_REFUSE_NO_BACKEND.rawValue, COUNT_FORWARD.rawValue])
            #expect(told.map(\.kind) == [EVENT_CONNECT, EVENT_SEND])
            #expect(told.map(\.service_id) == [3, 4])
            #expect(told.first?.backend_id == 0)
        }

        @Test("the question of `swiftlet status`, a connect to port 0, is not told", arguments: ClientForm.allCases)
        func question(form: ClientForm) throws {
            let lab = try HookLab()
            try lab.datapath.put(form.family, vip: 10, unknownPort: REJECT)
            try arm(lab.datapath)
            for (port, told) in [(UInt16(0), 0), (81, 1)] {
                let client = try lab.client(form, .tcp)
                let target = form.shown(SocketAddress(address: form.family.vip(10), port: port))
                #expect(throws: SocketError("connect", ECONNREFUSED)) { try client.connect(to: target) }
                #expect(try events(lab.datapath).count == told)
            }
        }

        @Test("a listener that was killed is forgotten by the first that comes late")
        func expires() throws {
            let lab = try HookLab()
            try lab.datapath.put(Frontend(family: .v4), service(id: 3, count: 0, action: REJECT))
            let killed = listener(until: 1, owner: 1, lost: 0, with_cgroup: 0, pad: 0)
            try lab.datapath.map("listeners").update(UInt32(0), to: killed)
            let client = try lab.client(.ip4, .tcp)
            #expect(throws: SocketError("connect", ECONNREFUSED)) {
                try client.connect(to: SocketAddress(address: Family.v4.vip(10), port: 80))
            }
            #expect(try events(lab.datapath).isEmpty)
            #expect(try until(lab.datapath) == 0)
        }

        @Test("what a full ring has no room for is counted")
        func loses() throws {
            let lab = try HookLab()
            try lab.datapath.put(Frontend(family: .v4, proto: UDP), service(id: 3, count: 0, action: REJECT))
            try arm(lab.datapath)
            let room = Int(LB_EVENT_BYTES) / (MemoryLayout<event>.size + 8)
            for _ in 0..<room + 50 {
                let client = try lab.client(.ip4, .udp)
                #expect(throws: SocketError("send", ECONNREFUSED)) {
                    try client.send([1], to: SocketAddress(address: Family.v4.vip(10), port: 80))
                }
            }
            let told = try events(lab.datapath).count
            let lost = try lab.datapath.map("listeners").lookup(UInt32(0), as: listener.self)?.lost
            #expect(told + Int(lost ?? 0) == room + 50)
            #expect(told >= room - 1 && told <= room + 1)
        }
    }
}
