public import CDatapath
public import Testing

/// IPv4 and IPv6 come from one text, so each test runs for both.
enum Family: Int, CaseIterable, CustomTestStringConvertible {
    case v4 = 4
    case v6 = 6

    var testDescription: String { "IPv\(rawValue)" }

    /// The name of this family's map or program: `services4`.
    func name(_ stem: String) -> String { "\(stem)\(rawValue)" }

    /// An address that services have: 10.96.0.n or fd00:10:96::n.
    func vip(_ number: UInt8) -> [UInt8] {
        self == .v4 ? [10, 96, 0, number] : [0xfd, 0, 0, 0x10, 0, 0x96] + [UInt8](repeating: 0, count: 9) + [number]
    }

    /// An address that backends have: 10.244.0.n or fd00:10:244::n.
    func pod(_ number: UInt8) -> [UInt8] {
        self == .v4 ? [10, 244, 0, number] : [0xfd, 0, 0, 0x10, 2, 0x44] + [UInt8](repeating: 0, count: 9) + [number]
    }
}

/// What a client asks for.
struct Frontend {
    var family: Family
    var vip: UInt8 = 10
    var port: UInt16 = 80
    var proto = TCP
    var scope = FROM_NODE

    var address: [UInt8] { family.vip(vip) }

    /// What the entry repeats of its key.
    var seal: UInt32 { lb_seal(address, UInt32(address.count), port, proto.rawValue, scope.rawValue) }
}

/// One backend of a service, as its slot and its entry in `backends4/6` say it.
struct Backend {
    var id: UInt32
    var service: UInt32
    /// The last byte of its address.
    var number: UInt8
    var port: UInt16 = 8080
    var inCluster = true
    var inLocal = true

    /// `count` backends of a service; ids and addresses are counted up.
    static func several(_ count: Int, of service: UInt32, firstID: UInt32 = 1) -> [Backend] {
        (0..<count).map { index in
            let number = UInt8(index + 1)
            return Backend(id: firstID + UInt32(index), service: service, number: number, port: 8000 + UInt16(number))
        }
    }
}

extension service {
    /// An entry that balances, as the control plane writes it; its seal is set when it is written.
    init(
        id: UInt32, first: UInt32 = 0, count: UInt32 = 1, affinity: UInt32 = 0, action: frontend_action = BALANCE,
        kind: frontend_kind = CLUSTER_IP, policy: lb_policy = CLUSTER
    ) {
        self.init()
        service_id = id
        first_slot = first
        self.count = count
        affinity_seconds = affinity
        self.action = action
        self.kind = kind
        self.policy = policy
        algorithm = RANDOM
    }
}

extension counter: @retroactive CustomTestStringConvertible {
    public var testDescription: String { lb_counter_name(rawValue).map { String(cString: $0) } ?? "\(rawValue)" }
}
