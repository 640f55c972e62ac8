import BPFLoader
import CDatapath
import Testing

extension KernelTests {
    @Suite("The verifier")
    struct VerifierTests {
        /// How many instructions the verifier may walk for a program: half as many again as it does on kernel 6.18.
        /// Who needs more changes the number, and says in the commit what for.
        static let budgets: [String: [String: Int]] = [
            "empty.bpf.o": ["swl_empty4": 10, "swl_empty6": 10, "swl_empty_send4": 10, "swl_empty_tc": 10],
            "select.bpf.o": [
                "tst_select4": 500, "tst_select6": 700, "tst_usable4": 100, "tst_usable6": 120, "tst_source4": 50,
                "tst_source6": 120,
            ],
            "sock.bpf.o": sockets, "sock_cast.bpf.o": sockets,
            "tc.bpf.o": packets,
            "tc_untracked.bpf.o": packets,
        ]

        private static let sockets = [
            "swl_connect4": 26_500, "swl_connect6": 47_500, "swl_sendmsg4": 90_000, "swl_sendmsg6": 104_000,
            "swl_recvmsg4": 1750, "swl_recvmsg6": 1750, "swl_getpeername4": 150, "swl_getpeername6": 200,
            "swl_sock_release": 40,
            "swl_bind4": 410, "swl_bind6": 930, "swl_egress": 6100,
        ]

        private static let packets = [
            "swl_wire_in": 106_000, "swl_wire_in_l3": 103_000, "swl_wire_out": 117_000, "swl_wire_out_l3": 113_000,
            "swl_pod_in": 106_000, "swl_pod_in_l3": 103_000, "swl_pod_out": 117_000, "swl_pod_out_l3": 113_000,
        ]

        /// To find out that a module lacks a function takes CAP_SYS_ADMIN, which the daemon may not have.
        @Test("programs for kernels whose connection tracking cannot be asked name no function of the kernel")
        func namesNoFunction() throws {
            func names(_ bytes: bpf_object_bytes) -> Bool {
                let bytes = UnsafeRawBufferPointer(start: bytes.start, count: bytes.size)
                return bytes.firstRange(of: Array(".ksyms".utf8)) != nil
            }
            #expect(names(swiftlet_tc_object()))
            #expect(!names(swiftlet_tc_untracked_object()))
        }

        @Test("walks each program within its budget", arguments: budgets.keys.sorted())
        func staysInBudget(name: String) throws {
            let datapath = try Datapath(name)
            let programs = datapath.object.programs.map(\.name)
            let budget = Self.budgets[name] ?? [:]
            #expect(Set(programs) == Set(budget.keys), "every program has a budget")
            for program in programs {
                let walked = try datapath.object.program(named: program).info.verifiedInstructions
                // Kernels before 5.16 do not tell: 0.
                #expect(walked <= budget[program] ?? 0, "\(program)")
            }
        }
    }
}
