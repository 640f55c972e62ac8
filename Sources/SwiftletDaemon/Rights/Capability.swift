import CCapabilities

/// A part of root's power that the kernel gives away singly: capabilities(7).
enum Capability: UInt32, CaseIterable, Sendable {
    case changeOwner = 0
    case setCapabilities = 8
    case bindService = 10
    case networkAdministration = 12
    case systemPtrace = 19
    case systemAdministration = 21
    case systemResource = 24
    case performanceMonitoring = 38
    case bpf = 39

    /// As manuals, units and containers write it; containers leave out "CAP_".
    var name: String {
        switch self {
        case .changeOwner: "CAP_CHOWN"
        case .setCapabilities: "CAP_SETPCAP"
        case .bindService: "CAP_NET_BIND_SERVICE"
        case .networkAdministration: "CAP_NET_ADMIN"
        case .systemPtrace: "CAP_SYS_PTRACE"
        case .systemAdministration: "CAP_SYS_ADMIN"
        case .systemResource: "CAP_SYS_RESOURCE"
        case .performanceMonitoring: "CAP_PERFMON"
        case .bpf: "CAP_BPF"
        }
    }
}

/// Capabilities, also those that have no name here.
struct CapabilitySet: OptionSet, Sendable, Hashable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ members: some Sequence<Capability>) {
        rawValue = members.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }

    func contains(_ capability: Capability) -> Bool { contains(CapabilitySet([capability])) }

    /// The numbers of the members.
    var numbers: [UInt32] { (0..<64).filter { rawValue & 1 << UInt64($0) != 0 } }

    /// `CAP_BPF`, or `capability 13` for one that has no name here.
    var names: [String] {
        numbers.map { Capability(rawValue: $0)?.name ?? "capability \($0)" }
    }
}
