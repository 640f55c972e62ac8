import BPFLoader
package import DatapathInstall
import NodeNetwork
import ServiceMaps
import ServiceModel
import SystemPackage
package import Takeover

/// One question that is asked before rules of kube-proxy go, and its answer.
package struct TakeoverCheck: Codable, Sendable, Hashable {
    /// What was asked: `LoadBalancer, IPv6, UDP`.
    package var subject: String
    package var isGood: Bool
    /// What was seen, and what to do if that is not good.
    package var finding: String

    static func good(_ subject: String, _ finding: String) -> TakeoverCheck {
        TakeoverCheck(subject: subject, isGood: true, finding: finding)
    }

    static func bad(_ subject: String, _ finding: String) -> TakeoverCheck {
        TakeoverCheck(subject: subject, isGood: false, finding: finding)
    }
}

/// Whether swiftlet serves all that kube-proxy's rules serve: asked of the daemon, of the maps, and of the hooks.
package struct TakeoverChecks {
    private let pins: DatapathPins
    /// Removes rules also for what swiftlet does not serve.
    private let acceptsUnserved: Bool

    package init(pins: DatapathPins, acceptsUnserved: Bool) {
        self.pins = pins
        self.acceptsUnserved = acceptsUnserved
    }

    /// All of them, whatever the first ones say.
    package func run(for rules: [FoundRules]) throws -> [TakeoverCheck] {
        // What stood in the way when it was tried last, some time ago, may be gone: a kube-proxy that has ended.
        _ = ControlClient.ask(.listen, at: RunDirectory(bpfRoot: pins.root))
        guard let report = try StatusReport.collect(pins: pins, daemon: DaemonReport.ask(pins)) else {
            return [.bad("datapath", "none is loaded; start `swiftlet run --kube-proxy-replacement=true`")]
        }
        let programmed = try ProgrammedState.read(from: BPFMapStore(pins: pins))
        let served = programmed.ports.flatMap(\.frontends)
        let wanted = rules.reduce(into: Set<RuleFrontend>()) { $0.formUnion($1.frontends) }
        let held = Self.held(served)
        return statusChecks(report) + [coverage(of: wanted, by: served, heldElsewhere: held)]
            + listenerChecks(wanted, held) + nodePortChecks(rules, served)
            + probes(of: served, cgroup: FilePath(report.cgroupRoot)) + deviceChecks(report, for: wanted, served)
    }

    // MARK: The daemon

    private func statusChecks(_ report: StatusReport) -> [TakeoverCheck] {
        guard report.degraded.isEmpty else { return report.degraded.map { .bad("status", $0) } }
        if report.probe == .leftToPackets {
            return [
                .bad(
                    "status",
                    "the node's own sockets need kube-proxy's rules: --socket-lb \(report.daemon?.socketLB ?? "off") leaves "
                        + "them alone; run with --socket-lb full or host first")
            ]
        }
        guard report.probe == .effective, let daemon = report.daemon else {
            return [.bad("status", "no ClusterIP is programmed that could be asked")]
        }
        return [
            .good("status", "process \(daemon.pid) is well, and a probe was translated"),
            .good("programmed", "\(daemon.programmed.frontends) frontends, \(daemon.programmed.backends) backends"),
        ]
    }

    // MARK: The maps

    private func coverage(
        of wanted: Set<RuleFrontend>, by served: [ProgrammedState.Frontend], heldElsewhere held: Set<IPAddress>
    ) -> TakeoverCheck {
        var known: Set<RuleFrontend> = []
        for frontend in served {
            let key = frontend.key
            let isNodePort = frontend.entry.kind == .nodePort
            known.insert(
                RuleFrontend(
                    address: isNodePort ? nil : key.address, port: key.port.number, proto: key.proto,
                    family: key.address.family))
        }
        let missing = wanted.subtracting(known).filter { frontend in
            frontend.address.map { !held.contains($0) } ?? true
        }.sorted()
        guard !missing.isEmpty else { return .good("what rules serve", "all of \(wanted.count) frontends") }
        let shown = missing.prefix(5).map(\.description).joined(separator: ", ") + (missing.count > 5 ? ", …" : "")
        let finding = "\(missing.count) of \(wanted.count) frontends are not served here: \(shown)"
        guard !acceptsUnserved else { return .good("what rules serve", finding + "; accepted") }
        return .bad(
            "what rules serve",
            finding + "; give swiftlet these Services, or if they are gone, say --accept-unserved")
    }

    /// Addresses of this node's devices that no frontend of their own has; NodePorts may be on every address.
    private static func held(_ served: [ProgrammedState.Frontend]) -> Set<IPAddress> {
        let held = (try? NetworkSnapshot.read().heldAddresses) ?? []
        return Set(held).subtracting(served.filter { $0.entry.kind != .nodePort }.map(\.key.address))
    }

    /// What kube-proxy's rules lead to endpoints and a device of the node holds, as NodeLocal DNSCache does: its listener
    /// answers once the rules are gone.
    private func listenerChecks(_ wanted: Set<RuleFrontend>, _ held: Set<IPAddress>) -> [TakeoverCheck] {
        let addresses = Set(wanted.compactMap(\.address)).intersection(held).sorted()
        guard !addresses.isEmpty else { return [] }
        let subject = "addresses of devices"
        let finding =
            "\(addresses.map(\.description).joined(separator: ", ")): a device of this node holds it, and what listens there "
            + "answers in place of the Service"
        guard !acceptsUnserved else { return [.good(subject, finding + "; accepted")] }
        return [.bad(subject, finding + "; see that it does (NodeLocal DNSCache), and say --accept-unserved")]
    }

    /// Whether NodePorts are served at each local address at which rules serve them.
    private func nodePortChecks(
        _ rules: [FoundRules], _ served: [ProgrammedState.Frontend]
    ) -> [TakeoverCheck] {
        let ranges = rules.filter { $0.frontends.contains { $0.address == nil } }.flatMap(\.nodePortAddresses)
        guard !ranges.isEmpty, let local = try? NetworkSnapshot.read().usableAddresses else { return [] }
        let wanted = local.filter { address in !address.isLoopback && ranges.contains { $0.contains(address) } }
        let missing = Set(wanted).subtracting(
            served.lazy.filter { $0.entry.kind == .nodePort }.map(\.key.address)
        ).sorted()
        let subject = "addresses of NodePorts"
        guard !missing.isEmpty else { return [.good(subject, "all of \(wanted.count)")] }
        let shown = missing.prefix(5).map(\.description).joined(separator: ", ") + (missing.count > 5 ? ", …" : "")
        let finding = "rules serve NodePorts at \(missing.count) more of the node's addresses: \(shown)"
        guard !acceptsUnserved else { return [.good(subject, finding + "; accepted")] }
        return [
            .bad(
                subject,
                finding
                    + "; run swiftlet with --nodeport-addresses all, or, if they are not used there, say --accept-unserved"
            )
        ]
    }

    // MARK: The hooks

    /// What one frontend stands for.
    private struct Sort: Hashable, Comparable {
        var kind: DesiredFrontend.Kind
        var family: IPFamily
        var proto: IPProtocol

        static func < (left: Sort, right: Sort) -> Bool {
            (left.kind.rawValue, left.family, left.proto) < (right.kind.rawValue, right.family, right.proto)
        }

        var text: String { "\(kind.text), IPv\(family.rawValue), \(proto)" }
    }

    /// One frontend of each sort: preferably one that translates, for any client.
    private func probes(of served: [ProgrammedState.Frontend], cgroup: FilePath) -> [TakeoverCheck] {
        let own = served.filter { $0.key.scope == .fromNode }
        let sorts = Dictionary(grouping: own) {
            Sort(kind: $0.entry.kind, family: $0.key.address.family, proto: $0.key.proto)
        }
        let chosen = sorts.sorted { $0.key < $1.key }.compactMap { sort, frontends in
            (frontends.min { Self.rank($0) < Self.rank($1) }).map { (sort: sort, frontend: $0) }
        }
        // The kernel has no hooks for sockets of SCTP: they are translated by packets.
        let asked = chosen.filter { $0.sort.proto != .sctp }
        let targets = asked.map {
            FrontendProbe.Target(
                address: $0.frontend.key.address, port: $0.frontend.key.port.number, proto: $0.frontend.key.proto)
        }
        let outcomes = FrontendProbe.run(targets, cgroup: cgroup)
        return zip(asked, outcomes).map { Self.judge($0.frontend, $1, $0.sort.text) }
            + chosen.filter { $0.sort.proto == .sctp }.map { .good($0.sort.text, "programmed; by packets only") }
    }

    private static func rank(_ frontend: ProgrammedState.Frontend) -> Int {
        (frontend.entry.action == .balance ? 0 : 4) + (frontend.entry.isRestricted ? 2 : 0)
            + (frontend.entry.hostOnly ? 1 : 0)
    }

    private static func judge(
        _ frontend: ProgrammedState.Frontend, _ outcome: FrontendProbe.Outcome, _ subject: String
    ) -> TakeoverCheck {
        let name = "\(frontend.key.address) port \(frontend.key.port.number)"
        switch outcome {
        case .connected(let address, let port):
            let isBackend = frontend.slots.contains { $0?.address == address && $0?.port == port }
            return isBackend
                ? .good(subject, "\(name) led to \(address) port \(port)")
                : .bad(subject, "\(name) led to \(address) port \(port), which is no backend of it")
        case .refused:
            let isRight = frontend.entry.action != .balance || frontend.entry.isRestricted
            return isRight
                ? .good(subject, "\(name) refuses, as it has to") : .bad(subject, "\(name) refuses, and has backends")
        case .failed(let cause): return .bad(subject, "\(name): \(cause)")
        }
    }

    // MARK: The devices

    private func deviceChecks(
        _ report: StatusReport, for wanted: Set<RuleFrontend>, _ served: [ProgrammedState.Frontend]
    ) -> [TakeoverCheck] {
        let devices = (report.daemon?.devices ?? []).filter { $0.role != nil }
        let checks = devices.map(Self.check)
        guard !devices.contains(where: { $0.role == "outside" }) else { return checks }
        let inside = Set(served.filter { $0.entry.kind == .clusterIP }.map(\.key.address))
        let outside = wanted.filter { $0.address.map { !inside.contains($0) } ?? true }
        guard let example = outside.min() else { return checks }
        return checks + [
            .bad(
                "devices",
                "no device towards the network has programs, and rules serve \(example) to clients outside; "
                    + "run swiftlet with --devices")
        ]
    }

    /// Asks the kernel what is attached.
    private static func check(_ device: DaemonReport.Device) -> TakeoverCheck {
        let subject = "device \(device.name)"
        do {
            let place = try NetworkDevice(named: device.name)
            for direction in TrafficDirection.allCases {
                let programs = try DeviceQuery.programs(on: place, direction)
                guard programs.contains(where: { $0.name?.hasPrefix("swl_") == true }) else {
                    return .bad(subject, "no program of swiftlet at \(direction); look at the log of swiftlet run")
                }
            }
            return .good(subject, "programs in both directions, towards \(device.role ?? "?")")
        } catch {
            return .bad(subject, "\(error)")
        }
    }
}
