import DatapathInstall
import Logging
import ServiceMaps
import ServiceModel
import Settings
import SocketDestroy
import SystemPackage

extension Daemon {
    /// What destroys the sockets of backends that go away; the maps must be pinned.
    func socketDestroyKeeper(_ pins: DatapathPins, _ cgroup: FilePath) async -> SocketDestroyKeeper {
        let wanted = settings.socketDestroy
        let paths = DatapathPaths(pins, cgroup)
        let lender = RunDirectory(bpfRoot: settings.bpfRoot).namespaces
        // Off: nothing is loaded.
        let choice =
            wanted.whose == .off
            ? DestroyChoice.none : await DestroyChoice.make(paths, wanted: wanted.by.mechanism)
        if choice.destroyer == nil, wanted.whose != .off {
            log.notice(
                "sockets of backends that are gone cannot be destroyed",
                metadata: ["cause": "\(choice.reasons.joined(separator: "; "))"])
        } else if let confinement = choice.confinement, wanted.whose == .full, !LentNamespaces.isOffered(at: lender) {
            // The process that lends them may start later than the daemon.
            log.notice(
                "sockets of pods cannot be destroyed, only the node's own, unless swiftlet namespaces runs",
                metadata: ["cause": "\(confinement)"])
        }
        // Where no pod's socket is translated there is none to destroy.
        let isForNode = wanted.whose == .host || settings.sockets == .host
        let keeper = SocketDestroyKeeper(
            wanted, choice, serving: settings.sockets, awaited: { try Orphans.awaited(paths) },
            namespaces: { isForNode ? .own() : .reached(by: choice, lender: lender) }, lender: lender,
            log: log)
        do {
            let backends = [ServiceMap.backends4, .backends6].map { pins.map($0.rawValue) }
            if choice.destroyer != nil { await keeper.bury(try Orphans.find(paths, backends: backends)) }
        } catch {
            log.warning("cannot look for sockets that an earlier process left", metadata: ["cause": "\(error)"])
        }
        return keeper
    }
}

extension NetworkNamespaces {
    /// All of the node, where this process may enter them or another one lends them; else its own.
    static func reached(by choice: DestroyChoice, lender path: FilePath) -> NetworkNamespaces {
        guard choice.confinement != nil else { return .find() }
        // A lent socket may destroy others only if its opener may.
        guard let lender = LentNamespaces(at: path), choice.destroyer?.mechanism == .bpf || lender.mayKill else {
            return .own()
        }
        return .lent(by: lender)
    }
}

extension DatapathPaths {
    init(_ pins: DatapathPins, _ cgroup: FilePath) {
        self.init(
            origin: pins.map(ServiceMap.socketOrigin.rawValue), spill: pins.map(ServiceMap.socketSpill.rawValue),
            leftCgroups: pins.map(ServiceMap.leftCgroups.rawValue),
            services4: pins.map(ServiceMap.services4.rawValue), services6: pins.map(ServiceMap.services6.rawValue),
            cgroup: cgroup)
    }
}

/// The Services whose TCP connections are destroyed when a backend goes away.
struct DestroyTCPChoices {
    private var services: Set<ObjectName> = []

    /// Follows the annotation. A Service that ends keeps what it chose until its backends are gone.
    mutating func follow(_ events: [ClusterEvent]) {
        for case .service(let service) in events {
            if service.destroysTCP { services.insert(service.name) } else { services.remove(service.name) }
        }
    }

    /// Those whose sockets are to be destroyed: UDP's always.
    func select(_ removed: [RemovedBackend]) -> [RemovedBackend] {
        removed.filter { backend in
            switch backend.service.proto {
            case .udp: true
            case .tcp: services.contains(backend.service.service)
            case .sctp: false
            }
        }
    }

    /// Forgets Services that are no more, when nothing of them is left to remove.
    mutating func keep(where isKnown: (ObjectName) -> Bool) { services = services.filter(isKnown) }
}

extension SocketDestroyBy {
    /// Nil: what the kernel has.
    var mechanism: DestroyMechanism? {
        switch self {
        case .auto: nil
        case .bpf: .bpf
        case .netlink: .netlink
        }
    }
}
