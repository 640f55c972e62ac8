import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import Synchronization
import Testing

extension KernelTests {
    /// UDP sockets that name the VIP with each datagram.
    @Suite("An unconnected socket")
    struct UnconnectedTests {
        private func vip(_ form: ClientForm, _ number: UInt8, port: UInt16 = 80) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.vip(number), port: port))
        }

        private func pod(_ form: ClientForm, _ number: UInt8) -> SocketAddress {
            SocketAddress(address: form.family.pod(number), port: 8000 + UInt16(number))
        }

        private func serve(
            _ lab: borrowing HookLab, _ form: ClientForm, vip: UInt8, port: UInt16 = 80, service id: UInt32,
            first: UInt32, backends: [UInt8], firstID: UInt32
        ) throws {
            let entries = zip(firstID..., backends).map { number, pod in
                Backend(id: number, service: id, number: pod, port: 8000 + UInt16(pod))
            }
            try lab.datapath.put(form.family, entries, from: first)
            try lab.datapath.put(
                Frontend(family: form.family, vip: vip, port: port, proto: UDP),
                service(id: id, first: first, count: UInt32(backends.count)))
        }

        @Test(
            "and a connected one is the same to a VIP: one port, one backend (spec 31)",
            arguments: ClientForm.allCases)
        func isConnected(form: ClientForm) throws {
            let lab = try HookLab()
            try serve(lab, form, vip: 10, service: 1, first: 0, backends: [1, 2], firstID: 1)
            let first = try lab.backend(pod(form, 1), .udp)
            let second = try lab.backend(pod(form, 2), .udp)
            try first.setTimeout(milliseconds: 50)
            try second.setTimeout(milliseconds: 50)
            func answerer() -> Int? {
                if (try? first.answer()) != nil { return 1 }
                return (try? second.answer()) != nil ? 2 : nil
            }
            // By chance alone half of them would ask the other one.
            for _ in 0..<12 {
                let client = try lab.client(form, .udp)
                try client.connect(to: vip(form, 10))
                try client.send([1])
                let backend = answerer()
                #expect(try client.receive().bytes == [1])
                try client.send([2], to: vip(form, 10))
                #expect(answerer() == backend, "named in a datagram")
                #expect(try client.receive().bytes == [2])
                try client.disconnect()
                try client.send([3], to: vip(form, 10))
                #expect(answerer() == backend)
                #expect(try client.receive().bytes == [3])

                let late = try lab.client(form, .udp)
                try late.send([4], to: vip(form, 10))
                let other = answerer()
                #expect(try late.receive().bytes == [4])
                try late.connect(to: vip(form, 10))
                try late.send([5])
                #expect(answerer() == other, "connected where it has sent to before")
                #expect(try late.receive().bytes == [5])
                #expect(try late.peerName() == vip(form, 10))
            }
        }

        @Test("that is connected to its VIP once more keeps its backend (spec 31)", arguments: ClientForm.allCases)
        func isConnectedAgain(form: ClientForm) throws {
            let lab = try HookLab()
            try serve(lab, form, vip: 10, service: 1, first: 0, backends: [1, 2], firstID: 1)
            let first = try lab.backend(pod(form, 1), .udp)
            let second = try lab.backend(pod(form, 2), .udp)
            try first.setTimeout(milliseconds: 50)
            try second.setTimeout(milliseconds: 50)
            func answerer() -> Int? {
                if (try? first.answer()) != nil { return 1 }
                return (try? second.answer()) != nil ? 2 : nil
            }
            for isBound in [false, true] {
                let client = try lab.client(form, .udp)
                let any = try #require(SocketAddress(host: form == .ip4 ? "0.0.0.0" : "::", port: 4_321))
                if isBound { try client.bind(to: any) }
                try client.connect(to: vip(form, 10))
                try client.send([1])
                let backend = answerer()
                #expect(try client.receive().bytes == [1])
                for number in UInt8(2)...12 {
                    // What was bound keeps its port when it is disconnected, and is the same client.
                    if isBound { try client.disconnect() }
                    try client.connect(to: vip(form, 10))
                    try client.send([number])
                    #expect(answerer() == backend)
                    #expect(try client.receive().bytes == [number])
                    #expect(try client.peerName() == vip(form, 10))
                }
            }
        }

        @Test("stays with its backend while that serves", arguments: ClientForm.allCases)
        func staysWithBackend(form: ClientForm) throws {
            let lab = try HookLab()
            try lab.datapath.serve(Frontend(family: form.family, proto: UDP), backends: 10)
            let client = try lab.client(form, .udp)
            for _ in 0..<20 { try client.send([1], to: vip(form, 10)) }
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == 1)
            #expect(try lab.datapath.count(of: COUNT_FORWARD_SAME_FLOW) == 19)

            // Terminating, or out of the topology: nobody new comes, and who is there stays (spec 31).
            for backend in Backend.several(10, of: 1) {
                var outside = backend
                (outside.inCluster, outside.inLocal) = (false, false)
                try lab.datapath.put(form.family, outside)
            }
            try client.send([1], to: vip(form, 10))
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == 1)

            // The policy is Local now, and no backend is on this node.
            let frontend = Frontend(family: form.family, proto: UDP)
            try lab.datapath.put(frontend, service(id: 1, count: 0, action: DROP))
            try client.send([1], to: vip(form, 10))
            #expect(try lab.datapath.count(of: COUNT_REFUSE_NO_LOCAL_BACKEND) == 0)
            let newcomer = try lab.client(form, .udp)
            #expect(throws: (any Error).self) { try newcomer.send([1], to: vip(form, 10)) }
            #expect(try lab.datapath.count(of: COUNT_REFUSE_NO_LOCAL_BACKEND) == 1)
            try lab.datapath.put(frontend, service(id: 1, count: 10))

            let backends = try lab.datapath.map(form.family.name("backends"))
            for id in UInt32(1)...10 { _ = try backends.delete(id) }
            try client.send([1], to: vip(form, 10))
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == 2)
        }

        @Test("has a backend for each of 256 VIPs, and keeps it", arguments: ClientForm.allCases)
        func manyVIPs(form: ClientForm) throws {
            let lab = try HookLab()
            let count: UInt16 = 256
            for port in 1...count {
                // The port is what tells them apart: ten pods, 26 ports each.
                let number = UInt8(port % 10 + 1)
                let backend = Backend(
                    id: UInt32(port), service: UInt32(port), number: number, port: 7000 + port / 10)
                try lab.datapath.put(form.family, [backend], from: UInt32(port))
                try lab.datapath.put(
                    Frontend(family: form.family, vip: 10, port: port, proto: UDP),
                    service(id: UInt32(port), first: UInt32(port)))
            }
            let client = try lab.client(form, .udp)
            for _ in 0..<3 {
                for port in 1...count { try client.send([1], to: vip(form, 10, port: port)) }
            }
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == UInt64(count))
            #expect(try lab.datapath.count(of: COUNT_FORWARD_SAME_FLOW) == 2 * UInt64(count))
            for port in [1, 8, 9, 100, count] {
                let address = SocketAddress(address: form.family.pod(UInt8(port % 10 + 1)), port: 7000 + port / 10)
                let backend = try lab.backend(address, .udp)
                try client.send([7], to: vip(form, 10, port: port))
                try backend.answer()
                #expect(try client.receive().source == vip(form, 10, port: port))
            }
        }

        @Test("two threads on one socket never see half of a record", arguments: ClientForm.allCases)
        func twoThreads(form: ClientForm) throws {
            let lab = try HookLab()
            // Address and port differ in all that a record has: a torn one would be neither.
            let vips: [(number: UInt8, port: UInt16)] = [(10, 53), (11, 5_353), (12, 514), (13, 8_125)]
            var backends: [Client] = []
            for (index, place) in vips.enumerated() {
                let pod = UInt8(index + 1)
                try serve(
                    lab, form, vip: place.number, port: place.port, service: UInt32(pod), first: UInt32(pod),
                    backends: [pod], firstID: UInt32(pod))
                backends.append(Client(try lab.backend(self.pod(form, pod), .udp)))
            }
            let client = Client(try lab.client(form, .udp))
            let right = Set(vips.map { vip(form, $0.number, port: $0.port) })
            let wrong = Mutex<[String]>([])
            let rounds = 2_000
            let answering = backends.map { backend in
                Worker {
                    for _ in 0..<rounds {
                        guard (try? backend.socket.answer()) != nil else { return }
                    }
                }
            }
            let asking = [[0, 1], [2, 3]].map { mine in
                let targets = mine.map { vip(form, vips[$0].number, port: vips[$0].port) }
                return Worker {
                    for round in 0..<rounds {
                        try? client.socket.send([UInt8(mine[round % 2])], to: targets[round % 2])
                        guard let answer = try? client.socket.receive() else { continue }
                        let source = answer.source
                        if source.map({ !right.contains($0) }) ?? true {
                            wrong.withLock { $0.append("\(source.map { "\($0)" } ?? "nobody") answered") }
                        }
                    }
                }
            }
            for worker in asking { worker.join() }
            for backend in backends { backend.socket.stopListening() }
            for worker in answering { worker.join() }
            #expect(wrong.withLock { $0 } == [])
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == UInt64(vips.count), "each VIP keeps its backend")
        }

        /// Both threads ask for the first time at once, again and again, and each of the VIPs leads to each of the pods.
        @Test("two threads never get one backend for two VIPs", arguments: ClientForm.allCases, [0, 8] as [UInt8])
        func twoChoices(form: ClientForm, others: UInt8) throws {
            let lab = try HookLab()
            let pods: [UInt8] = [1, 2, 3, 4]
            for number in 1...(others + 2) {
                try serve(
                    lab, form, vip: number, service: UInt32(number), first: UInt32(number) * 10,
                    // The others fill the socket's own storage, and nobody answers for them.
                    backends: number > 2 ? [number % 6 + 5] : pods, firstID: UInt32(number) * 10)
            }
            let backends = try pods.map { Client(try lab.backend(pod(form, $0), .udp)) }
            let isOver = Atomic(false)
            let answering = backends.map { backend in
                Worker { while !isOver.load(ordering: .relaxed) { try? backend.socket.answer() } }
            }
            defer {
                isOver.store(true, ordering: .relaxed)
                for backend in backends { backend.socket.stopListening() }
                for worker in answering { worker.join() }
            }
            var wrong = 0
            for _ in 0..<1_000 {
                let client = Client(try lab.client(form, .udp))
                // Bound by both at once, one would send from port 0: the kernel sets the port's number first.
                try client.socket.bind(to: try #require(SocketAddress(host: form == .ip4 ? "0.0.0.0" : "::", port: 0)))
                for number in 0..<others { try client.socket.send([0], to: vip(form, number + 3)) }
                let start = Atomic(0)
                let targets = [vip(form, 1), vip(form, 2)]
                let asking = targets.indices.map { index in
                    Worker {
                        start.add(1, ordering: .relaxed)
                        while start.load(ordering: .relaxed) < 2 {}
                        try? client.socket.send([UInt8(index)], to: targets[index])
                    }
                }
                for worker in asking { worker.join() }
                for _ in 0..<2 {
                    let (bytes, source) = try client.socket.receive()
                    if source != targets[Int(bytes[0])] { wrong += 1 }
                }
            }
            #expect(wrong == 0)
        }

        /// In all the places that a record may have, one thread asks while the other one's answers come.
        @Test("the name of an answer is never half another one's", arguments: ClientForm.allCases)
        func twoNames(form: ClientForm) throws {
            let lab = try HookLab()
            // VIPs that differ in address and port; all that share a pod take turns as its name.
            let vips = (UInt8(1)...24).map { (number: $0, port: UInt16($0) * 251) }
            for place in vips {
                try serve(
                    lab, form, vip: place.number, port: place.port, service: UInt32(place.number),
                    first: UInt32(place.number), backends: [place.number % 2 + 1], firstID: UInt32(place.number))
            }
            let backends = [Client(try lab.backend(pod(form, 1), .udp)), Client(try lab.backend(pod(form, 2), .udp))]
            let isOver = Atomic(false)
            let answering = backends.map { backend in
                Worker { while !isOver.load(ordering: .relaxed) { try? backend.socket.answer() } }
            }
            let client = Client(try lab.client(form, .udp))
            let targets = vips.map { vip(form, $0.number, port: $0.port) }
            let right = Set(targets)
            let wrong = Mutex<[String]>([])
            let asking = [0, 1].map { thread in
                Worker {
                    for round in 0..<4_000 {
                        try? client.socket.send([0], to: targets[(round * 2 + thread) % targets.count])
                        guard let source = try? client.socket.receive().source, !right.contains(source) else {
                            continue
                        }
                        wrong.withLock { $0.append("\(source) answered") }
                    }
                }
            }
            for worker in asking { worker.join() }
            isOver.store(true, ordering: .relaxed)
            for backend in backends { backend.socket.stopListening() }
            for worker in answering { worker.join() }
            #expect(wrong.withLock { $0 } == [])
        }

        @Test("gets another backend for another VIP, where there is one", arguments: ClientForm.allCases)
        func distinctBackends(form: ClientForm) throws {
            let lab = try HookLab()
            for number in UInt8(1)...4 {
                // All four VIPs lead to the same four pods.
                try serve(
                    lab, form, vip: number, service: UInt32(number), first: UInt32(number) * 10,
                    backends: [1, 2, 3, 4], firstID: UInt32(number) * 10)
            }
            let backends = [
                Held(try lab.backend(pod(form, 1), .udp)), Held(try lab.backend(pod(form, 2), .udp)),
                Held(try lab.backend(pod(form, 3), .udp)), Held(try lab.backend(pod(form, 4), .udp)),
            ]
            for _ in 0..<10 {
                let client = try lab.client(form, .udp)
                for number in UInt8(1)...4 { try client.send([number], to: vip(form, number)) }
                // All are under way before the first is answered.
                for backend in backends { try backend.socket.answer() }
                for _ in 1...4 {
                    let (bytes, source) = try client.receive()
                    #expect(source == vip(form, bytes[0]))
                }
            }
        }

        /// Two pods behind all of them: the ninth and further VIPs are remembered elsewhere than the first eight.
        @Test("is answered as the VIP that it asked last, where VIPs share backends", arguments: ClientForm.allCases)
        func sharedBackends(form: ClientForm) throws {
            let lab = try HookLab()
            for number in UInt8(1)...20 {
                try serve(
                    lab, form, vip: number, service: UInt32(number), first: UInt32(number) * 10,
                    backends: [number % 2 + 1], firstID: UInt32(number) * 10)
            }
            let backends = [Held(try lab.backend(pod(form, 1), .udp)), Held(try lab.backend(pod(form, 2), .udp))]
            let client = try lab.client(form, .udp)
            for number in Array(1...20) + [1, 20, 2, 9, 9, 1, 3, 17, 19, 5] + Array((1...20).reversed()) as [UInt8] {
                try client.send([number], to: vip(form, number))
                try backends[Int(number % 2)].socket.answer()
                #expect(try client.receive().source == vip(form, number))
            }
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == 20, "each VIP keeps its backend")
        }

        @Test("sees the backend itself where it speaks to it directly", arguments: ClientForm.allCases, [2, 12])
        func speaksDirectly(form: ClientForm, vips: UInt8) throws {
            let lab = try HookLab()
            for number in UInt8(1)...vips {
                let backend: UInt8 = number == vips ? 1 : number % 9 + 2
                try serve(
                    lab, form, vip: number, service: UInt32(number), first: UInt32(number), backends: [backend],
                    firstID: UInt32(number))
            }
            let backend = try lab.backend(pod(form, 1), .udp)
            let client = try lab.client(form, .udp)
            for number in UInt8(1)...vips { try client.send([number], to: vip(form, number)) }
            try backend.answer()
            #expect(try client.receive().source == vip(form, vips))

            try client.send([1], to: form.shown(pod(form, 1)))
            try backend.answer()
            #expect(try client.receive().source == form.shown(pod(form, 1)))

            try client.send([1], to: vip(form, vips))
            try backend.answer()
            #expect(try client.receive().source == vip(form, vips))
            #expect(try lab.datapath.count(of: COUNT_FORWARD) == UInt64(vips), "it kept its backend")
        }

        /// A class because arrays cannot hold noncopyable values.
        private final class Held {
            let socket: Socket
            init(_ socket: consuming Socket) { self.socket = socket }
        }
    }
}

/// A socket that threads share.
private final class Client: Sendable {
    let socket: Socket

    init(_ socket: consuming Socket) { self.socket = socket }
}

/// A thread that runs a closure.
private final class Worker {
    private final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Job>.fromOpaque(raw).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(Job(body)).toOpaque())
    }

    func join() { pthread_join(thread, nil) }
}
