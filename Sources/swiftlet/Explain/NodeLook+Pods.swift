import BPFLoader
import DatapathInstall
import NodeNetwork
import Reporting
import ServiceModel
import SwiftletDaemon
import SystemPackage

/// The node's side of a pod's way, and programs of others on it.
extension NodeLook {
    /// What closes the way of a client in a pod on the node's side, for sixteen endpoints at most.
    mutating func notePodSide(
        of client: ExplainQuestion.Client, to destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        podSide = nil
        guard let network, let first = destination.endpoints.first else { return }
        switch client {
        case .process where facts.isClientOfNode == false:
            guard let pid = resident(of: client, facts), let side = Self.podSide(of: pid, to: first, network) else {
                return
            }
            podSide = side
        case .pod:
            guard let address = podAddresses.first(where: { $0.family == first.address.family }) else { return }
            let route = try? Route.find(to: address)
            if route?.isLocal == true { return }
            if let pid = resident(of: client, facts), let side = Self.podSide(of: pid, to: first, network) {
                podSide = side
                break
            }
            guard let route, !network.isDefault(route, to: address), let device = network.link(route.link) else {
                let way = route.flatMap { network.text(of: $0) }
                let lost = ExplainFacts.Obstacle(fault: .noWayBack, device: "", client: "\(address)", leadsBy: way)
                note(destination, &facts) { $0 == address ? nil : lost }
                return
            }
            guard ["veth", "bridge"].contains(device.kind) else { return }
            podSide = PodSide(address: address, device: device, network: network)
        case .node, .process, .outside: return
        }
        guard let podSide else { return }
        note(destination, &facts) { endpoint in
            podSide.obstacle(to: endpoint).flatMap { ExplainFacts.Obstacle($0, of: podSide.address) }
        }
        // The node's own routes may say more of why there is no way.
        for endpoint in destination.endpoints.prefix(16) {
            let socket = FrontendKey.socket(endpoint.address, endpoint.port)
            let way = facts.ways?[socket]
            guard facts.obstacles?[socket]?.fault == .noWayOn, way == nil || way == .works else { continue }
            let trial = RouteTrial.run(endpoint.address, endpoint.port)
            if trial != .works { facts.ways = (facts.ways ?? [:]).merging([socket: trial]) { _, new in new } }
        }
    }

    /// By a look from the network namespace of a process, if that may be entered.
    private static func podSide(of pid: Int32, to endpoint: DesiredBackend, _ network: NetworkSnapshot) -> PodSide? {
        let (address, port) = (endpoint.address, endpoint.port)
        let look = { () -> (source: IPAddress?, device: NetworkLink?) in
            let route = try? Route.find(to: address)
            let own = route.flatMap { route in (try? NetworkSnapshot.read())?.link(route.link) }
            return (RouteTrial.source(to: address, port), own)
        }
        guard let seen = try? NetworkNamespace.visit(FilePath("/proc/\(pid)/ns/net"), look), let source = seen.source,
            let device = seen.device.flatMap({ PodSide.device(ofPeer: $0, on: network) })
        else { return nil }
        return PodSide(address: source, device: device, network: network)
    }

    private func note(
        _ destination: Explainer.Destination, _ facts: inout ExplainFacts,
        _ obstacle: (IPAddress) -> ExplainFacts.Obstacle?
    ) {
        for endpoint in destination.endpoints.prefix(16) {
            guard let found = obstacle(endpoint.address) else { continue }
            facts.obstacles = facts.obstacles ?? [:]
            facts.obstacles?[FrontendKey.socket(endpoint.address, endpoint.port)] = found
        }
    }

    /// Endpoints that only the default route leads to.
    mutating func noteStrays(to destination: Explainer.Destination, _ facts: inout ExplainFacts) {
        guard let network else { return }
        for endpoint in destination.endpoints.prefix(16) {
            guard let route = try? Route.find(to: endpoint.address), network.isDefault(route, to: endpoint.address),
                let way = network.text(of: route)
            else { continue }
            facts.leadsOut = facts.leadsOut ?? [:]
            facts.leadsOut?[FrontendKey.socket(endpoint.address, endpoint.port)] = way
        }
    }

    /// Programs of others on the way, whose effect on a packet is unknown.
    mutating func noteStrangers(
        of client: ExplainQuestion.Client, to destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        var unseen: [String] = []
        let process: Int32? = if case .process(let pid, _) = client { pid } else { resident(of: client, facts) }
        if let cgroup = process.flatMap(CgroupFileSystem.cgroup) {
            let isV4 = destination.frontend.key.address.family == .v4
            let isUDP = destination.port.proto == .udp
            let hooks: [CgroupAttachType] =
                [isV4 ? .connect4 : .connect6] + (isUDP ? [isV4 ? .sendMessage4 : .sendMessage6] : [])
                + [.egress, .ingress]
            let found = hooks.flatMap { hook in
                ((try? CgroupQuery.programs(on: cgroup, at: hook, effective: true)) ?? [])
                    .filter { $0.name?.hasPrefix("swl_") == false }
                    .map { "\($0.name ?? "?") (id \($0.id)) at \(hook)" }
            }
            if !found.isEmpty { facts.cgroupPrograms = found }
            unseen += found.map {
                "what \($0) of the client's cgroup does: see `bpftool cgroup show \(cgroup) effective`"
            }
        }
        for device in devices(to: destination, from: client) {
            if let id = device.xdpProgram {
                unseen.append("what the XDP program \(id) on \(device.name) does: see `bpftool prog show id \(id)`")
            }
            for name in daemon?.devices.first(where: { $0.name == device.name })?.foreign ?? []
            where !name.hasPrefix(Self.xdpMark) {
                unseen.append("what \(name) on \(device.name) does: see `bpftool net show dev \(device.name)`")
            }
        }
        if !unseen.isEmpty { facts.unseen = (facts.unseen ?? []) + unseen }
    }

    private static let xdpMark = "XDP "

    /// The devices that packets of a client come by and leave by.
    private mutating func devices(
        to destination: Explainer.Destination, from client: ExplainQuestion.Client
    ) -> [NetworkLink] {
        guard let network else { return [] }
        let arrival = arrival(of: client, at: destination, network) ?? podSide?.device
        let ways = destination.endpoints.prefix(16).compactMap { endpoint in
            (try? Route.find(to: endpoint.address)).flatMap { network.link($0.link) }
        }
        var shown: Set<LinkIndex> = []
        return ([arrival].compactMap(\.self) + ways).filter { !$0.isLoopback && shown.insert($0.index).inserted }
    }
}

extension NetworkSnapshot {
    /// `eth0 via 192.0.2.254`.
    fileprivate func text(of route: Route) -> String? {
        link(route.link).map { $0.name + (route.gateway.map { " via \($0)" } ?? "") }
    }
}

extension ExplainFacts.Obstacle {
    fileprivate init?(_ obstacle: PodSide.Obstacle, of address: IPAddress) {
        guard let fault = Fault(rawValue: obstacle.fault.rawValue) else { return nil }
        self.init(fault: fault, device: obstacle.device, client: "\(address)", leadsBy: obstacle.leadsBy)
    }
}
