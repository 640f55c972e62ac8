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

/// What the node itself says to an explanation: maps, hooks, devices, the client's cgroup, and connects to endpoints.
struct NodeLook {
    private let pins: PinOptions
    private let daemon: DaemonReport?

    init(pins: PinOptions) {
        self.pins = pins
        daemon = DaemonReport.ask(pins.pins)
    }

    func facts(for destination: Explainer.Destination?, _ client: ExplainQuestion.Client) -> ExplainFacts {
        var facts = ExplainFacts()
        facts.daemonRuns = daemon != nil
        facts.onlyObserves = daemon.map { !$0.kubeProxyReplacement }
        facts.servedCgroup = daemon?.cgroupRoot
        if case .process(let pid, _) = client, let root = daemon?.cgroupRoot {
            facts.isClientServed = CgroupFileSystem.contains(process: pid, below: FilePath(root))
        }
        noteLeft(client, &facts)
        if let destination { noteSource(of: client, to: destination, &facts) }
        // A daemon that only observes has programmed nothing, and is not to be blamed for it.
        guard let destination, daemon?.kubeProxyReplacement != false else { return facts }
        facts.closesClusterIPs = daemon?.packets?.servesClusterIPs.map { !$0 }
        if client.isOutside || facts.isClientOfNode == false {
            let setting =
                destination.frontend.key.address.family == .v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
            facts.notForwarding = daemon?.problems.first { $0.hasPrefix(setting) }
        }
        facts.hooksAttached = (try? CgroupLink(pinnedAt: pins.pins.link(.connect4)).info.isAttached) ?? false
        facts.maps = maps(of: destination)
        let service = "\(destination.port.service)"
        let kept = "\(service) is served as it was before the start: "
        facts.keptFromBefore = daemon?.problems.first { $0.hasPrefix(kept) }.map { String($0.dropFirst(kept.count)) }
        if case .outside = client {
            facts.deviceWithoutPrograms = deviceWithoutPrograms(destination.frontend.key.address)
        }
        return facts
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
                SourceTrial.run(endpoint.address, endpoint.port)?.description
            }
        } catch {
            facts.unseen = ["the source of process \(pid), which source ranges ask for: \(error)"]
        }
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
        facts.hasPacketPrograms = facts.isClientOfNode.map { isOfNode in
            daemon.devices.contains { $0.role == (isOfNode ? "outside" : "pods") }
        }
    }

    private func maps(of destination: Explainer.Destination) -> ExplainFacts.Maps? {
        guard let programmed = try? ProgrammedState.read(from: BPFMapStore(pins: pins.pins)) else { return nil }
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
        return own?.problems.first { $0.hasPrefix("\(ApplyReport.Failure.begin(of: port)):") }
    }

    private struct Socket: Hashable {
        var address: IPAddress
        var port: UInt16
    }

    /// The device that holds an address, if packets that come by it meet no program.
    private func deviceWithoutPrograms(_ address: IPAddress) -> String? {
        guard let daemon, let network = try? NetworkSnapshot.read(),
            let holder = network.addresses.first(where: { $0.address == address })?.link,
            let link = network.link(holder), !link.isLoopback
        else { return nil }
        return daemon.devices.first { $0.name == link.name && $0.role == nil }?.name
    }

    /// Connects to each endpoint of a TCP port once, at most sixteen of them: a datagram that nothing answers proves nothing.
    mutating func connect(
        _ destination: Explainer.Destination, of client: ExplainQuestion.Client, noting facts: inout ExplainFacts
    ) {
        facts.connectPlace = "from this network namespace"
        if case .process(let pid, _) = client {
            do throws(BPFError) {
                // The last thing that this thread, and this process, does in its own.
                try NetworkNamespace.enter(FilePath("/proc/\(pid)/ns/net"))
                facts.connectPlace = "from there"
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
    }
}

/// The source of packets to an address, as the kernel's routes give it: nothing is sent.
enum SourceTrial {
    /// Nil: there is no route.
    static func run(_ address: IPAddress, _ port: Port) -> IPAddress? {
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family == .v4 ? AF_INET : AF_INET6, type, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard address.withSocketAddress(port: port.number, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            return nil
        }
        return IPAddress(ofSocket: descriptor, address.family)
    }
}

/// One TCP connect that waits for a second at most.
enum ConnectTrial {
    static func run(_ address: IPAddress, _ port: Port) -> ExplainFacts.Connect {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family == .v4 ? AF_INET : AF_INET6, type, 0)
        guard descriptor >= 0 else { return .noRoute }
        defer { close(descriptor) }
        let error = address.withSocketAddress(port: port.number) {
            Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno
        }
        guard error == EINPROGRESS else { return outcome(error) }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, 1000) > 0 else { return .timedOut }
        var pending: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &pending, &size)
        return outcome(pending)
    }

    private static func outcome(_ error: Int32) -> ExplainFacts.Connect {
        switch error {
        case 0: .works
        case ECONNREFUSED: .refused
        case ENETUNREACH, EHOSTUNREACH: .noRoute
        case EPERM, EACCES: .notPermitted
        default: .timedOut
        }
    }
}

/// What /proc says of a process.
enum ProcessEntry {
    static func command(of pid: Int32) -> String? {
        read("/proc/\(pid)/comm").map { String($0.prefix { $0 != "\n" }) }
    }

    /// Throws where there is none: a pid that is mistyped is asked after in vain.
    @discardableResult
    static func mustRun(_ pid: Int32) throws(CommandError) -> String {
        guard let command = command(of: pid) else {
            throw CommandError(.notFound, "there is no process \(pid); write the pid as this namespace has it")
        }
        return command
    }

    /// The number of its network namespace.
    static func network(of pid: Int32) -> UInt64? {
        var status = stat()
        return stat("/proc/\(pid)/ns/net", &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func read(_ path: String) -> String? {
        try? SystemFile.text(of: FilePath(path), atMost: 4096)
    }
}
