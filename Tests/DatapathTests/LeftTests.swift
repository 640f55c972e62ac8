import BPFLoader
import CDatapath
import Glibc
import NetworkLab
import Testing

extension Datapath {
    /// Leaves the sockets of a cgroup to the packets; it lies `depth` below the cgroup that is served.
    func leave(_ cgroup: UInt64, depth: Int, below root: UInt64) throws {
        try map("left_cgroups").update(cgroup, to: left_cgroup(depth: UInt32(depth)))
        try map("left_depths").update(UInt32(0), to: left_depths(root: root, depths: 1 << UInt64(depth)))
    }
}

extension KernelTests {
    @Suite("Processes whose sockets are left to the packets")
    struct LeftTests {
        /// How far above the hooks' cgroup another one is.
        enum Served: CaseIterable {
            case parent, hierarchy
        }

        private func vip(_ form: ClientForm, port: UInt16 = 80) -> SocketAddress {
            form.shown(SocketAddress(address: form.family.vip(10), port: port))
        }

        /// The id of a directory of cgroups.
        private func id(_ path: String) throws -> UInt64 {
            var status = stat()
            try #require(stat(path, &status) == 0)
            return UInt64(status.st_ino)
        }

        /// Names the hooks' cgroup, and says what is served.
        private func leave(_ lab: borrowing HookLab, _ served: Served) throws {
            let path = lab.cgroupPath
            let above = try Cgroup.root()
            let depth = path.dropFirst(above.count).split(separator: "/").count
            let parent = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
            let own = try id(path)
            switch served {
            case .parent: try lab.datapath.leave(own, depth: 1, below: id(parent))
            case .hierarchy: try lab.datapath.leave(own, depth: depth, below: id(above))
            }
        }

        @Test(
            "they are asked for no Service: neither a connect nor a send is translated or refused",
            arguments: ClientForm.allCases, Served.allCases)
        func passes(form: ClientForm, served: Served) throws {
            let lab = try HookLab()
            for proto in [TCP, UDP] { try lab.datapath.serve(Frontend(family: form.family, proto: proto), backends: 1) }
            try lab.datapath.put(form.family, vip: 10, unknownPort: REJECT)
            try leave(lab, served)
            for (index, port) in [UInt16(80), 81].enumerated() {
                for (round, kind) in [Socket.Kind.tcp, .udp].enumerated() {
                    let client = try lab.client(form, kind)
                    // Nothing leads to a VIP here, and no hook does.
                    #expect(throws: SocketError("connect", ENETUNREACH)) {
                        try lab.inside { try client.connect(to: vip(form, port: port)) }
                    }
                    #expect(try lab.datapath.count(of: COUNT_PASS_HOST_ONLY) == UInt64(index * 3 + round + 1))
                }
                let sender = try lab.client(form, .udp)
                #expect(throws: SocketError("send", ENETUNREACH)) {
                    try lab.inside { try sender.send([1], to: vip(form, port: port)) }
                }
            }
            for reason in [COUNT_FORWARD, COUNT_REFUSE_UNKNOWN_PORT, COUNT_REFUSE_NO_BACKEND] {
                #expect(try lab.datapath.count(of: reason) == 0)
            }
        }

        @Test("others are served as ever", arguments: ClientForm.allCases)
        func others(form: ClientForm) throws {
            let lab = try HookLab()
            try lab.datapath.serve(Frontend(family: form.family), backends: 1)
            let backend = try lab.backend(SocketAddress(address: form.family.pod(1), port: 8001), .tcp)
            // Another cgroup at the same depth, and another depth.
            try lab.datapath.leave(.max, depth: 1, below: id(Cgroup.current()))
            let client = try lab.client(form, .tcp)
            try lab.inside { try client.connect(to: vip(form)) }
            #expect(try client.peerName() == vip(form))
            try lab.datapath.leave(id(lab.cgroupPath), depth: 2, below: id(Cgroup.current()))
            let second = try lab.client(form, .tcp)
            try lab.inside { try second.connect(to: vip(form)) }
            _ = consume backend
        }
    }
}
