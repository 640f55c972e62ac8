import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import Testing

extension KernelTests {
    /// VIPs of one unconnected UDP socket with one and the same only endpoint, where packets may keep them apart.
    @Suite("A VIP whose endpoint answers as another VIP")
    struct PartedTests {
        private func vip(_ form: ClientForm, _ number: UInt8) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.vip(number), port: 80))
        }

        /// Each VIP up to `vips` leads to pod 1 alone, or to as many pods.
        private func lab(
            _ form: ClientForm, vips: UInt8 = 2, pods: UInt8 = 1, hasPodDevices: UInt8 = 1
        ) throws -> HookLab {
            let lab = try HookLab { $0.has_pod_devices = hasPodDevices }
            try lab.routeVIPs()
            for number in 1...vips {
                let (id, first) = (UInt32(number), UInt32(number) * 10)
                let backends = (1...pods).map {
                    Backend(id: id * 10 + UInt32($0), service: id, number: $0, port: 8000 + UInt16($0))
                }
                try lab.datapath.put(form.family, backends, from: first)
                try lab.datapath.put(
                    Frontend(family: form.family, vip: number, port: 80, proto: UDP),
                    service(id: id, first: first, count: UInt32(pods)))
            }
            return lab
        }

        private func left(_ lab: borrowing HookLab) throws -> UInt64 {
            try lab.datapath.count(of: COUNT_PASS_HOST_ONLY)
        }

        /// What the program at tc does when it sees one; `before` is how many nanoseconds ago one was left.
        private func see(_ lab: borrowing HookLab, before nanoseconds: UInt64? = nil) throws {
            let ways = try lab.datapath.map("packet_ways")
            for entry in try ways.entries(key: packet_way_key.self, value: packet_way.self) {
                var way = entry.value
                if let nanoseconds {
                    way.left &-= nanoseconds
                } else {
                    way.seen = way.left + 1
                }
                try ways.update(entry.key, to: way)
            }
        }

        @Test("is left to the packets while a program sees them", arguments: ClientForm.allCases)
        func isLeft(form: ClientForm) throws {
            let lab = try lab(form)
            let client = try lab.client(form, .udp)
            try client.send([1], to: vip(form, 1))
            #expect(try left(lab) == 0)
            for count in UInt64(1)...3 {
                try client.send([2], to: vip(form, 2))
                #expect(try left(lab) == count)
                try see(lab)
                try client.send([1], to: vip(form, 1))
            }
            #expect(try lab.datapath.count(of: COUNT_FORWARD_SAME_FLOW) == 3, "the first one keeps its endpoint")
            let noted = try lab.datapath.map("parted_vips").entries(
                key: parted_vip_key.self, value: parted_vip.self)
            #expect(noted.map(\.key.client) == [try client.localName().port])
        }

        @Test("is the socket's when none does, and tried again after ten minutes", arguments: ClientForm.allCases)
        func isTried(form: ClientForm) throws {
            let lab = try lab(form, vips: 3)
            let client = try lab.client(form, .udp)
            for number in [1, 2, 3, 2, 1, 3] as [UInt8] { try client.send([number], to: vip(form, number)) }
            #expect(try left(lab) == 1, "the trial")
            // In another socket of the namespace it is known.
            let other = try lab.client(form, .udp)
            for number in [1, 2] as [UInt8] { try other.send([number], to: vip(form, number)) }
            #expect(try left(lab) == 1)
            try see(lab, before: 601_000_000_000)
            try other.send([1], to: vip(form, 1))
            #expect(try left(lab) == 2, "both have a record; the second one answers")
            try see(lab)
            try other.send([1], to: vip(form, 1))
            #expect(try left(lab) == 3)
            try see(lab, before: 10_000_000)
            try see(lab)
            try other.send([1], to: vip(form, 1))
            #expect(try left(lab) == 4)
            try see(lab, before: 10_000_000)
            try other.send([1], to: vip(form, 1))
            #expect(try left(lab) == 4, "one was left and not seen")
        }

        @Test("is the socket's where it has an endpoint that is free, or has had one of several")
        func hasAnother() throws {
            let lab = try lab(.ip4, vips: 2, pods: 2)
            let client = try lab.client(.ip4, .udp)
            for _ in 0..<5 {
                for number in [1, 2] as [UInt8] { try client.send([number], to: vip(.ip4, number)) }
            }
            #expect(try left(lab) == 0)
        }

        @Test("is the socket's after the endpoint was spoken to directly", arguments: ClientForm.allCases)
        func speaksDirectly(form: ClientForm) throws {
            let lab = try lab(form)
            let client = try lab.client(form, .udp)
            try client.send([1], to: vip(form, 1))
            try client.send([1], to: form.shown(SocketAddress(address: form.family.pod(1), port: 8001)))
            try client.send([2], to: vip(form, 2))
            #expect(try left(lab) == 0)
        }

        @Test("is the socket's where no device of a pod has programs")
        func noDevices() throws {
            let lab = try lab(.ip4, hasPodDevices: 0)
            let client = try lab.client(.ip4, .udp)
            for number in [1, 2, 1] as [UInt8] { try client.send([number], to: vip(.ip4, number)) }
            #expect(try left(lab) == 0)
            #expect(
                try lab.datapath.map("packet_ways").entries(key: packet_way_key.self, value: packet_way.self).isEmpty)
        }
    }
}
