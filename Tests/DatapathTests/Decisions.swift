import BPFLoader
import CDatapath
import CSelect
import TestKit
import Testing

/// Everything that touches the kernel, one test at a time: hooks and namespaces are not shared.
@Suite(.tags(.kernel), .serialized, .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
enum KernelTests {}

/// What the datapath decides about one connect.
struct Decision: Equatable {
    var reason: counter
    var service: UInt32 = 0
    var backend: UInt32 = 0
    var address: [UInt8] = []
    var port: UInt16 = 0

    /// The backend was chosen, for this reason.
    static func forward(_ family: Family, _ backend: Backend, _ reason: counter = COUNT_FORWARD) -> Decision {
        Decision(
            reason: reason, service: backend.service, backend: backend.id, address: family.pod(backend.number),
            port: backend.port)
    }

    /// There is no backend; a frontend that says so has a service.
    static func none(_ family: Family, _ reason: counter, service: UInt32 = 0) -> Decision {
        Decision(reason: reason, service: service, address: Array(family.pod(0).map { _ in 0 }))
    }
}

extension Datapath {
    /// Loads the object whose decisions can be asked for.
    static func forDecisions() throws -> Datapath { try Datapath("select.bpf.o") }

    /// Asks for a decision as a hook does.
    func decide(_ frontend: Frontend, random: UInt32 = 0, client: UInt64 = 7) throws -> Decision {
        try decide(frontend, randoms: CollectionOfOne(random), client: client)[0]
    }

    /// Asks for many decisions.
    func decide(_ frontend: Frontend, randoms: some Sequence<UInt32>, client: UInt64 = 7) throws -> [Decision] {
        let program = try object.program(named: frontend.family.name("tst_select"))
        var call = select_call()
        fill(&call.address, frontend.address)
        (call.port, call.protocol, call.scope) = (frontend.port, frontend.proto.rawValue, frontend.scope.rawValue)
        call.netns_cookie = client
        return try randoms.map { random in
            var answer = call
            answer.random = random
            _ = try program.run(context: &answer)
            return Decision(
                reason: counter(rawValue: answer.reason), service: answer.service_id, backend: answer.backend_id,
                address: bytes(answer.backend_address, frontend.address.count), port: answer.backend_port)
        }
    }

    /// The address of a backend if it may be used, by who has a flow there or is to have one.
    func usable(
        _ family: Family, service: UInt32, backend: UInt32, policy: lb_policy, hasFlow: Bool = false
    ) throws -> [UInt8]? {
        let program = try object.program(named: family.name("tst_usable"))
        var call = usable_call()
        (call.service_id, call.backend_id, call.policy) = (service, backend, policy.rawValue)
        call.has_flow = hasFlow ? 1 : 0
        _ = try program.run(context: &call)
        return call.usable == 1 ? bytes(call.backend_address, family.pod(0).count) : nil
    }
}
