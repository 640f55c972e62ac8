import BPFLoader
import DatapathInstall
import FoundationEssentials
import Glibc
import NodeNetwork
import Reporting
import ServiceMaps
import ServiceModel
import SwiftletDaemon
import SystemPackage
import SystemCalls
import Takeover

/// What the node itself says to an explanation: maps, hooks, devices, the client's cgroup, and connects to endpoints.
struct NodeLook {
    private let pins: PinOptions
    let daemon: DaemonReport?
    private lazy var programmed = try? ProgrammedState.read(from: BPFMapStore(pins: pins.pins))
    private lazy var filter = FilterLook()
    lazy var network = try? NetworkSnapshot.read()
    /// Those of a pod that asks.
    let podAddresses: [IPAddress]
    /// A process in the network namespace of that pod, where one is seen.
    private lazy var podProcess = podAddresses.lazy.compactMap { ProcessEntry.withAddress($0) }.first
    /// The node's side of the client's way, where it is in a pod of this node.
    var podSide: PodSide?

    init(pins: PinOptions, podAddresses: [IPAddress] = []) {
        self.pins = pins
        self.podAddresses = podAddresses
        daemon = DaemonReport.ask(pins.pins)
    }

    mutating func facts(for destination: Explainer.Destination?, _ client: ExplainQuestion.Client) -> ExplainFacts {
        var facts = ExplainFacts()
        facts.daemonRuns = daemon != nil
        facts.onlyObserves = daemon.map { !$0.kubeProxyReplacement }
        facts.servedCgroup = daemon?.cgroupRoot
        if case .process(let pid, _) = client, let root = daemon?.cgroupRoot {
            facts.isClientServed = CgroupFileSystem.contains(process: pid, below: FilePath(root))
        }
        noteLeft(client, &facts)
        if let destination {
            notePackets(of: client, to: destination, &facts)
            noteSource(of: client, to: destination, &facts)
            noteWays(of: client, to: destination, &facts)
            notePodSide(of: client, to: destination, &facts)
            noteStrays(to: destination, &facts)
            noteStrangers(of: client, to: destination, &facts)
            noteFilters(of: client, to: destination, &facts)
            noteEndpoints(of: destination, for: client, &facts)
        }
        // A daemon that only observes has programmed nothing, and is not to be blamed for it.
        guard let destination, daemon?.kubeProxyReplacement != false else { return facts }
        facts.closesClusterIPs = daemon?.packets?.servesClusterIPs.map { !$0 }
        if client.isOutside || facts.isClientOfNode == false, leadsAway(destination) {
            let setting =
                destination.frontend.key.address.family == .v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
            facts.notForwarding = daemon?.problems.first { $0.hasPrefix(setting) }
        }
        facts.hooksAttached = (try? CgroupLink(pinnedAt: pins.pins.link(.connect4)).info.isAttached) ?? false
        facts.maps = maps(of: destination)
        if case .outside = client {
            facts.deviceWithoutPrograms = network.flatMap { arrival(of: client, at: destination, $0) }
                .flatMap { isBare($0) ? $0.name : nil }
        }
        return facts
    }

    /// Whether packets go on from here: an endpoint at an address of the node is where they are.
    private func leadsAway(_ destination: Explainer.Destination) -> Bool {
        guard let network = try? NetworkSnapshot.read() else { return true }
        let own = Set(network.addresses.map(\.address))
        return destination.endpoints.contains { !own.contains($0.address) }
    }

    /// What a process in another network namespace is seen as, if it matters: the source that the route to the first
    /// endpoint gives.
    private func noteSource(
        of client: ExplainQuestion.Client, to destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        guard case .process(let pid, _) = client, facts.isClientOfNode == false,
            destination.frontend.sourceRanges != nil, let endpoint = destination.endpoints.first
        else { return }
        do throws(BPFError) {
            facts.clientSource = try NetworkNamespace.visit(FilePath("/proc/\(pid)/ns/net")) {
                RouteTrial.source(to: endpoint.address, endpoint.port)?.description
            }
        } catch {
            facts.unseen = ["the source of process \(pid), which source ranges ask for: \(error)"]
        }
    }

    /// A process in the client's own network namespace, where that is not the node's.
    mutating func resident(of client: ExplainQuestion.Client, _ facts: ExplainFacts) -> Int32? {
        switch client {
        case .process(let pid, _): facts.isClientOfNode == false ? pid : nil
        case .pod: podProcess.flatMap { pid in ProcessEntry.network(of: pid) == ownNetwork ? nil : pid }
        case .node, .outside: nil
        }
    }

    var ownNetwork: UInt64? { daemon.flatMap { ProcessEntry.network(of: $0.pid) } }

    /// Whether routes lead to the endpoints, at most sixteen of them. Packets of pods and of clients outside are forwarded by
    /// the node's routes; those of a process in another network namespace are asked there.
    private mutating func noteWays(
        of client: ExplainQuestion.Client, to destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        let endpoints = destination.endpoints.prefix(16)
        let ask = {
            Dictionary(
                endpoints.map { (FrontendKey.socket($0.address, $0.port), RouteTrial.run($0.address, $0.port)) },
                uniquingKeysWith: { first, _ in first })
        }
        if let pid = resident(of: client, facts),
            let ways = try? NetworkNamespace.visit(FilePath("/proc/\(pid)/ns/net"), ask)
        {
            facts.ways = ways
            return
        }
        if case .process = client, facts.isClientOfNode == false { return }
        facts.ways = ask()
        switch client {
        case .outside(let address): noteWayBack(to: address, from: destination, &facts)
        case .pod(let name):
            facts.unseen = ["the routes and rules in the network namespace of pod \(name): ask with --pid N"]
        case .node, .process: break
        }
        facts.downDevice = downDevice(to: destination, from: client)
        facts.idleDevice = idleDevice(to: destination)
    }

    /// Whether routes lead back to a client outside, and from the device that it comes by to the endpoints: rules may tell devices
    /// apart.
    private mutating func noteWayBack(
        to address: IPAddress, from destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        let asked = destination.frontend.key.address
        guard address.family == asked.family, let network else { return }
        if destination.frontend.kind == .nodePort {
            facts.isAskedHere = network.addresses.contains { $0.address == asked }
        }
        facts.hasNoWayBack = RouteTrial.run(address, destination.frontend.key.port) != .works
        guard let device = arrival(of: .outside(address), at: destination, network) else { return }
        func leads(to target: IPAddress) -> Bool {
            (try? Route.find(to: target, from: address, arrivingBy: device.index)) != nil
        }
        // Where even the node's own address is not reached, it is the source that does not fit.
        guard
            let own = network.addresses.first(where: { $0.link == device.index && $0.address.family == address.family }
            ),
            leads(to: own.address)
        else { return }
        for endpoint in destination.endpoints.prefix(16) where !leads(to: endpoint.address) {
            let socket = FrontendKey.socket(endpoint.address, endpoint.port)
            if facts.ways?[socket] == .works { facts.ways?[socket] = .noWayFromDevice }
        }
        facts.arrivalDevice = device.name
    }

    /// The device that packets of a client outside come by: the one that has the address, or leads to the client.
    func arrival(
        of client: ExplainQuestion.Client, at destination: Explainer.Destination, _ network: NetworkSnapshot
    ) -> NetworkLink? {
        guard case .outside(let address) = client else { return nil }
        let asked = destination.frontend.key.address
        let holder = network.addresses.first { $0.address == asked }.flatMap { network.link($0.link) }
        if let holder, !holder.isLoopback, holder.kind != "dummy" { return holder }
        return (try? Route.find(to: address)).flatMap { network.link($0.link) }
    }

    /// The kernel keeps the routes of a device without a carrier, and packets end in it.
    private mutating func idleDevice(to destination: Explainer.Destination) -> String? {
        guard let network else { return nil }
        let own = Set(network.addresses.map(\.address))
        for address in destination.endpoints.prefix(16).map(\.address) where !own.contains(address) {
            let devices = network.devices(to: address)
            if devices.contains(where: { !$0.isUp || $0.hasCarrier }) { continue }
            if let device = devices.first { return device.name }
        }
        return nil
    }

    /// What of netfilter drops packets to the endpoints, as far as its rules can be followed: in the client's own network
    /// namespace, if it has one and that may be entered, and then in the node's.
    private mutating func noteFilters(
        of client: ExplainQuestion.Client, to destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        if let pid = resident(of: client, facts) {
            do throws(BPFError) {
                let own = try NetworkNamespace.visit(FilePath("/proc/\(pid)/ns/net")) { FilterLook() }
                note(own, of: pid, destination, &facts) {
                    PacketWay(to: $0, at: [.output, .postrouting], back: [.prerouting, .input])
                }
            } catch {
                let what = "the rules of netfilter in the network namespace of process \(pid)"
                facts.unseen = (facts.unseen ?? []) + ["\(what): \(error.cause)"]
            }
        }
        let (network, podSide, isOfNode) = (network, podSide, client == .node || facts.isClientOfNode == true)
        let asked = destination.frontend.key.address
        note(filter, destination, &facts) { endpoint in
            let isHere = network?.addresses.contains { $0.address == endpoint } ?? false
            let (inward, outward): (Set<PacketFilter.Hook>, Set<PacketFilter.Hook>) =
                ([.prerouting, .input], [.output, .postrouting])
            let onward: Set<PacketFilter.Hook> = [.prerouting, .forward, .postrouting]
            var way =
                isOfNode
                ? PacketWay(to: endpoint, at: outward, back: inward)
                : isHere
                    ? PacketWay(to: endpoint, at: inward, back: outward)
                    : PacketWay(to: endpoint, at: onward, back: onward)
            if case .outside(let address) = client { way.source = address }
            way.inputDevice = isOfNode ? nil : network?.holder(of: asked)
            let next = isHere ? nil : network?.devices(to: endpoint).first
            // Between ports of one bridge packets may pass these hooks or not.
            if let podSide, podSide.device.index != next?.index {
                (way.source, way.inputDevice) = (podSide.address, podSide.device.name)
            }
            way.outputDevice = next?.name
            return way
        }
    }

    /// - Parameter pid: whose network namespace the rules are of; nil for the node's.
    func note(
        _ filter: FilterLook, of pid: Int32? = nil, isOfEndpoint: Bool? = nil, _ destination: Explainer.Destination,
        _ facts: inout ExplainFacts,
        way: (IPAddress) -> PacketWay
    ) {
        let device: Set<PacketFilter.Hook> = [.ingress, .egress]
        var unclear = filter.unseen(of: destination.frontend.key.address.family, in: pid)
        for endpoint in destination.endpoints.prefix(16) {
            let way = way(endpoint.address)
            let socket = FrontendKey.socket(endpoint.address, endpoint.port)
            var packet = way.packet(to: endpoint.port, destination.port.proto)
            if let (rule, chain) = filter.rules?.diversion(of: packet, at: way.hooks) {
                let found = ExplainFacts.Filter(
                    rule: rule, chain: chain, process: pid, isOfEndpoint: isOfEndpoint)
                facts.diversions = (facts.diversions ?? [:]).merging([socket: found]) { first, _ in first }
                unclear.append("where \(rule) sends packets to \(socket): see `\(found.command)`")
            }
            let (there, back) = (device.union(way.hooks), device.union(way.back))
            for (stage, hooks) in [(.first, there), (.later, there), (.answer, back)]
                as [(PacketFilter.Stage, Set<PacketFilter.Hook>)]
            {
                packet.stage = stage
                let verdict = filter.rules?.verdict(on: packet, at: hooks) ?? .passes
                if case .drops(let rule, let chain) = verdict {
                    let found = ExplainFacts.Filter(
                        rule: rule, chain: chain, process: pid, stage: stage, isOfEndpoint: isOfEndpoint)
                    facts.filters = (facts.filters ?? [:]).merging([socket: found]) { first, _ in first }
                    break
                }
                guard case .unclear(let rule, let chain) = verdict else { continue }
                let found = ExplainFacts.Filter(
                    rule: rule, chain: chain, process: pid, stage: stage, isOfEndpoint: isOfEndpoint)
                let text = "whether \(rule) drops \(found.packets(at: socket)): see `\(found.command)`"
                if !unclear.contains(text) { unclear.append(text) }
            }
        }
        if !unclear.isEmpty { facts.unseen = (facts.unseen ?? []) + unclear }
    }

    /// A device that is down and has the subnet of an endpoint, or the address that a client outside asks. Its routes are gone, and
    /// a default route may lead the packets elsewhere.
    private mutating func downDevice(
        to destination: Explainer.Destination, from client: ExplainQuestion.Client
    ) -> String? {
        guard let network else { return nil }
        let down = Set(network.links.filter { !$0.isUp }.map(\.index))
        if down.isEmpty { return nil }
        func holds(_ entry: LinkAddress, _ address: IPAddress) -> Bool {
            CIDR(network: entry.address, prefixLength: Int(entry.prefixLength))?.contains(address) ?? false
        }
        for address in destination.endpoints.prefix(16).map(\.address) {
            let subnets = network.addresses.filter { holds($0, address) }
            let nearest = subnets.max { $0.prefixLength < $1.prefixLength }
            if let nearest, down.contains(nearest.link) { return network.link(nearest.link)?.name }
        }
        guard case .outside(let client) = client else { return nil }
        let asked = destination.frontend.key.address
        let isCut = RouteTrial.run(client, destination.frontend.key.port) != .works
        return network.addresses.first { entry in
            down.contains(entry.link)
                && (entry.address == asked
                    || isCut && entry.address.family == client.family && !entry.address.isLinkLocal)
        }.flatMap { network.link($0.link)?.name }
    }

    /// Whether sockets of the client may be left to its packets, and whether these meet programs.
    private func noteLeft(_ client: ExplainQuestion.Client, _ facts: inout ExplainFacts) {
        guard let daemon else { return }
        facts.socketLB = daemon.socketLB
        switch client {
        case .process(let pid, _):
            facts.leftCgroup = daemon.leftCgroups?.cgroups.first {
                CgroupFileSystem.contains(process: pid, below: FilePath($0)) == true
            }
            facts.isClientOfNode = ProcessEntry.network(of: pid) == ProcessEntry.network(of: daemon.pid)
        case .pod: facts.isClientOfNode = false
        case .node, .outside: break
        }
        if case .node = client { facts.podsMeetPrograms = daemon.devices.contains { $0.role == "pods" } }
    }

    /// Whether packets of a client of this node leave it, and meet programs there and back.
    private mutating func notePackets(
        of client: ExplainQuestion.Client, to destination: Explainer.Destination, _ facts: inout ExplainFacts
    ) {
        guard !client.isOutside, let daemon, let network else { return }
        let own = Set(network.addresses.map(\.address))
        let asked = destination.frontend.key.address
        facts.isAskedHere = own.contains(asked)
        let targets = [asked] + destination.endpoints.prefix(16).map(\.address).filter { !own.contains($0) }
        let ways = targets.compactMap { (try? Route.find(to: $0)).flatMap { network.link($0.link) } }
        let bare = ways.first { !$0.isLoopback && isBare($0) }
        facts.isAskedRouted = (try? Route.find(to: asked)) != nil
        let leave = !own.contains(asked) && facts.isAskedRouted == true && bare == nil
        if facts.isClientOfNode == false {
            facts.hasPacketPrograms = leave || daemon.devices.contains { $0.role == "pods" }
        } else {
            facts.hasPacketPrograms = leave
            facts.bareDevice = bare?.name
        }
    }

    /// Neither the device nor a port of it has programs.
    private mutating func isBare(_ link: NetworkLink) -> Bool {
        guard let daemon, let network, daemon.devices.contains(where: { $0.name == link.name }) else { return false }
        let ports = network.links.filter { $0.master == link.index }.map(\.name)
        return !daemon.devices.contains { $0.role != nil && ($0.name == link.name || ports.contains($0.name)) }
    }

    private mutating func maps(of destination: Explainer.Destination) -> ExplainFacts.Maps? {
        guard let programmed else { return nil }
        let port = programmed.ports.first { $0.name == destination.port }
        guard let port, let frontend = port.frontends.first(where: { $0.key == destination.frontend.key }) else {
            return .init(
                isProgrammed: false, text: "they have no such frontend", pending: failure(of: destination.port))
        }
        let wanted = Set(destination.endpoints.map { Socket(address: $0.address, port: $0.port.number) })
        let held = Set(frontend.slots.compactMap { $0.map { Socket(address: $0.address, port: $0.port) } })
        let count = "\(frontend.slots.count) \(frontend.slots.count == 1 ? "slot" : "slots")"
        guard wanted == held else {
            return .init(
                isProgrammed: false, text: "frontend \(port.id.number) has \(count) for \(wanted.count) endpoints",
                pending: failure(of: destination.port))
        }
        return .init(isProgrammed: true, text: "frontend \(port.id.number), \(count)")
    }

    /// Why the daemon cannot program it. What it says of itself names a hundred at most.
    private func failure(of port: ServicePortName) -> String? {
        let reports = ControlClient.ask(.services, at: pins.runDirectory)
            .flatMap { try? ReportCoding.decoder().decode([ServiceReport].self, from: $0) }
        let own = reports?.first { $0.namespace == port.service.namespace && $0.name == port.service.name }
        let lead = Reason.notProgrammed("\(port): ")
        return own?.problems.first { $0.hasPrefix(lead) }.map { "\($0.dropFirst(lead.count))" }
    }

    private struct Socket: Hashable {
        var address: IPAddress
        var port: UInt16
    }

    /// Connects to each endpoint of a TCP port once, at most sixteen of them: a datagram that nothing answers proves nothing.
    mutating func connect(
        _ destination: Explainer.Destination, of client: ExplainQuestion.Client, noting facts: inout ExplainFacts
    ) {
        facts.connectPlace = "from this network namespace"
        let own: Int32? = if case .process(let pid, _) = client { pid } else { resident(of: client, facts) }
        if let pid = own {
            do throws(BPFError) {
                // The last thing that this thread, and this process, does in its own.
                try NetworkNamespace.enter(FilePath("/proc/\(pid)/ns/net"))
                facts.connectPlace =
                    facts.cgroupPrograms == nil
                    ? "from there" : "from the client's network namespace, by another cgroup"
            } catch {
                facts.connectPlace = "from this network namespace, as the client's cannot be entered (\(error.cause))"
            }
        }
        var outcomes: [String: ExplainFacts.Connect] = [:]
        for endpoint in destination.endpoints.prefix(16) {
            let host = endpoint.address.family == .v6 ? "[\(endpoint.address)]" : "\(endpoint.address)"
            outcomes["\(host):\(endpoint.port)"] = ConnectTrial.run(endpoint.address, endpoint.port)
        }
        facts.connects = outcomes
        noteListeners(to: destination, &facts)
        switch client {
        case .outside(let address): noteAsked(instead: "\(address)", &facts)
        case .pod(let name):
            if facts.connectPlace != "from there" { noteAsked(instead: "pod \(name)", &facts) }
        case .node, .process: break
        }
    }

    private func noteAsked(instead client: String, _ facts: inout ExplainFacts) {
        facts.unseen = (facts.unseen ?? []) + ["what the endpoints answer to \(client): --connect asks from this node"]
    }
}

extension NetworkSnapshot {
    fileprivate func holder(of address: IPAddress) -> String? {
        addresses.first { $0.address == address }.flatMap { link($0.link)?.name }
    }

    /// By the longest prefix of the main table; several where there are several ways.
    fileprivate func devices(to address: IPAddress) -> [NetworkLink] {
        let nearest = routes.routes.last { $0.destination.contains(address) }?.destination
        return routes.routes.filter { $0.destination == nearest }.compactMap { $0.link.flatMap(link) }
    }
}
