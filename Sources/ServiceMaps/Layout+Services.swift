internal import CDatapath
internal import ServiceModel

/// `services4/6`, the key.
protocol ServiceKeyLayout: AddressLayout {
    var port: UInt16 { get set }
    var `protocol`: ip_protocol { get set }
    var scope: lb_scope { get set }
}

extension service4_key: ServiceKeyLayout {}
extension service6_key: ServiceKeyLayout {}

extension ServiceKeyLayout {
    init(_ key: FrontendKey) {
        self.init()
        ipAddress = key.address
        port = key.port.number
        `protocol` = ip_protocol(key.proto)
        scope = lb_scope(rawValue: key.scope.rawValue)
    }

    /// Nil for what this program never writes.
    var decoded: FrontendKey? {
        guard let port = Port(Int(port)), let proto = `protocol`.decoded,
            let scope = FrontendKey.Scope(rawValue: scope.rawValue)
        else { return nil }
        return FrontendKey(address: ipAddress, port: port, proto: proto, scope: scope)
    }

    /// What the value repeats of its key, so that a reader notices when it has lost its entry.
    var seal: UInt32 {
        withUnsafeBytes(of: address) { bytes in
            lb_seal(
                bytes.bindMemory(to: UInt8.self).baseAddress, UInt32(bytes.count), port, `protocol`.rawValue,
                scope.rawValue)
        }
    }
}

/// `services4/6`, the value.
extension service {
    init(_ entry: ServiceEntry, seal: UInt32) {
        self.init()
        service_id = entry.service.number
        first_slot = entry.run.first
        count = entry.run.count
        self.seal = seal
        affinity_seconds = entry.affinitySeconds
        kind = frontend_kind(rawValue: entry.kind.rawValue)
        action = frontend_action(entry.action)
        algorithm = RANDOM
        policy = entry.policy == .cluster ? CLUSTER : LOCAL
        sockets = entry.hostOnly ? HOST_SOCKETS : entry.leavesSockets ? NO_SOCKETS : ALL_SOCKETS
        has_outside = entry.hasOutside ? 1 : 0
        source_ranges = entry.isRestricted ? source_check(entry.pods) : SOURCES_ANY
        host_allowed = entry.allowsHost ? 1 : 0
    }

    /// Nil for what this program never writes, for example an entry whose seal is not its key's.
    func decoded(sealedFor seal: UInt32) -> ServiceEntry? {
        guard self.seal == seal, service_id != 0, let kind = DesiredFrontend.Kind(rawValue: kind.rawValue),
            let action = action.decoded
        else { return nil }
        return ServiceEntry(
            service: ServiceID(service_id), run: SlotRun(first: first_slot, count: count),
            affinitySeconds: affinity_seconds, kind: kind, action: action, policy: policy == LOCAL ? .local : .cluster,
            hostOnly: sockets == HOST_SOCKETS, hasOutside: has_outside != 0,
            isRestricted: source_ranges != SOURCES_ANY, allowsHost: host_allowed != 0, pods: source_ranges.decoded,
            leavesSockets: sockets == NO_SOCKETS)
    }
}

extension source_check {
    init(_ pods: SourceRanges.Pods) {
        switch pods {
        case .none, .undecided: self = SOURCES_NO_POD
        case .every: self = SOURCES_EVERY_POD
        case .byPacket: self = SOURCES_BY_PACKET
        }
    }

    var decoded: SourceRanges.Pods {
        switch self {
        case SOURCES_BY_PACKET: .byPacket
        case SOURCES_EVERY_POD: .every
        default: .none
        }
    }
}

extension frontend_action {
    init(_ action: DesiredFrontend.Action) {
        switch action {
        case .balance: self = BALANCE
        case .reject: self = REJECT
        case .drop: self = DROP
        }
    }

    var decoded: DesiredFrontend.Action? {
        switch self {
        case BALANCE: .balance
        case REJECT: .reject
        case DROP: .drop
        default: nil
        }
    }
}
