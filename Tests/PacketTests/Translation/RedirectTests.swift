import CDatapath
import NetworkLab
import TestKit
import Testing

extension TranslationTests {
    /// With `--forwarding=redirect`: what is sent on goes where the kernel would have sent it, and only what it would
    /// have forwarded.
    @Suite("Packets that are sent on at once")
    struct RedirectTests {
        private let service = TestService(local: [], remote: [11])

        private func lab() throws -> TranslationLab {
            let lab = try TranslationLab { $0.redirect = 1 }
            try lab.serve([service])
            return lab
        }

        /// The route for the mark is none, so that the kernel has to say what becomes of it.
        @Test("go by the node's rules for their mark", arguments: Family.allCases)
        func obeysMarks(family: Family) throws {
            let lab = try lab()
            try lab.refuse(mark: 7, family)
            let frontend = service.frontend(.nodePort, family)
            func run(_ port: UInt16, mark: UInt32) throws -> Verdict {
                try lab.run(.tcp(family.outside(port: port), frontend), .wireIn, mark: mark)
            }
            #expect(try run(40_000, mark: 0).action == .redirect)
            let marked = try run(40_001, mark: 7)
            #expect(marked.action == .passOn)
            #expect(try marked.packet.destination == service.endpoint(family), "the kernel forwards it")
        }

        /// The kernel drops it as a martian, unless it never sees it.
        @Test("do not say that they come from this node", arguments: Family.allCases)
        func leavesOwnAddresses(family: Family) throws {
            let lab = try lab()
            let frontend = service.frontend(.nodePort, family)
            let own = SocketAddress(address: family.node.address, port: 40_000)
            let neighbour = SocketAddress(address: own.address.dropLast() + [77], port: 40_000)
            // Also one at which no NodePort is served.
            let other = SocketAddress(address: family.podGateway.address, port: 40_000)
            #expect(try lab.run(.tcp(family.outside(), frontend), .wireIn).action == .redirect)
            #expect(try lab.run(.tcp(neighbour, frontend), .wireIn).action == .redirect)
            #expect(try lab.run(.tcp(own, frontend), .wireIn).action == .passOn)
            #expect(try lab.run(.tcp(other, frontend), .wireIn).action == .passOn)
        }
    }
}
