import BPFLoader
import CDatapath
import NetworkLab

/// A frontend with one backend, as entries of the maps; its number is the id of the service, the slot and the backend.
struct TestService {
    var number: UInt32 = 1
    var vip: SocketAddress
    var backend: SocketAddress
    var proto: ip_protocol = TCP
    var scope: lb_scope = FROM_NODE
    var kind: frontend_kind = LOAD_BALANCER
    var policy: lb_policy = CLUSTER
    var action: frontend_action = BALANCE
    var affinity: UInt32 = 0
    var hasOutside = false
}

extension Transport {
    var proto: ip_protocol {
        switch self {
        case .tcp: TCP
        case .udp: UDP
        case .sctp: SCTP
        }
    }
}

extension PacketNode {
    func add(_ service: TestService) throws {
        if service.vip.address.count == 4 {
            try addFrontend4(service)
            try addBackend4(service)
        } else {
            try addFrontend6(service)
            try addBackend6(service)
        }
    }

    private func value(_ test: TestService) -> service {
        var value = service()
        (value.service_id, value.first_slot, value.count) = (test.number, test.number, 1)
        (value.kind, value.action, value.algorithm, value.policy) = (test.kind, test.action, RANDOM, test.policy)
        value.affinity_seconds = test.affinity
        value.has_outside = test.hasOutside ? 1 : 0
        let vip = test.vip.address
        value.seal = lb_seal(vip, UInt32(vip.count), test.vip.port, test.proto.rawValue, test.scope.rawValue)
        return value
    }

    private func addFrontend4(_ test: TestService) throws {
        var key = service4_key()
        fill(&key.address, test.vip.address)
        (key.port, key.protocol, key.scope) = (test.vip.port, test.proto, test.scope)
        try map("services4").update(key, to: value(test))
    }

    private func addFrontend6(_ test: TestService) throws {
        var key = service6_key()
        fill(&key.address, test.vip.address)
        (key.port, key.protocol, key.scope) = (test.vip.port, test.proto, test.scope)
        try map("services6").update(key, to: value(test))
    }

    private func addBackend4(_ test: TestService) throws {
        var slot = slot4()
        (slot.service_id, slot.backend_id, slot.port) = (test.number, test.number, test.backend.port)
        fill(&slot.address, test.backend.address)
        try map("slots4").update(test.number, to: slot)
        var backend = backend4()
        (backend.service_id, backend.port, backend.protocol) = (test.number, test.backend.port, test.proto)
        (backend.state, backend.in_cluster, backend.in_local) = (ACTIVE, 1, 1)
        fill(&backend.address, test.backend.address)
        try map("backends4").update(test.number, to: backend)
    }

    private func addBackend6(_ test: TestService) throws {
        var slot = slot6()
        (slot.service_id, slot.backend_id, slot.port) = (test.number, test.number, test.backend.port)
        fill(&slot.address, test.backend.address)
        try map("slots6").update(test.number, to: slot)
        var backend = backend6()
        (backend.service_id, backend.port, backend.protocol) = (test.number, test.backend.port, test.proto)
        (backend.state, backend.in_cluster, backend.in_local) = (ACTIVE, 1, 1)
        fill(&backend.address, test.backend.address)
        try map("backends6").update(test.number, to: backend)
    }

    func removeBackend(_ family: Family, _ number: UInt32) throws {
        try map("backends\(family.rawValue)").delete(number)
    }
}
