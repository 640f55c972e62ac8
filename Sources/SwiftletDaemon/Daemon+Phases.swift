import BPFLoader
import CDatapath
import Glibc
import Logging
import NodeNetwork
import ServiceMaps
import SystemPackage

/// The phases of the start.
extension Daemon {
    func loadDatapath() throws -> Datapath {
        let pins = DatapathPins(root: settings.bpfRoot)
        let features = try phase("probed the kernel") { try KernelFeatures.probe() }
        for feature in features.missing {
            guard let cost = feature.costWhenMissing else { continue }
            log.notice("this kernel lacks a feature", metadata: ["feature": "\(feature.name)", "cost": "\(cost)"])
        }
        return try phase("loaded the datapath") {
            let usual: FilePath = "/sys/fs/bpf"
            let root = settings.bpfRoot
            try BPFFileSystem.mount(at: root.starts(with: usual) ? usual : root.removingLastComponent())
            do throws(BPFError) {
                return try Datapath(
                    pins: pins, capacities: capacities, features: features,
                    hostNetnsCookie: try NetworkNamespace.cookie(), sockets: settings.sockets)
            } catch {
                if let said = error.log { log.debug("the kernel's log", metadata: ["log": "\(said)"]) }
                throw error
            }
        }
    }

    /// Who attaches the programs at tc to devices, and takes them off those that are not wanted: with `--devices none`
    /// what an earlier process has attached.
    func deviceKeeper(_ datapath: borrowing Datapath) throws -> DeviceKeeper {
        var packets = tc_config(settings)
        // Until they end, connections that rules of kube-proxy translate are theirs.
        packets.tcp_begins_with_syn = lookForKubeProxy().mayHaveConnections ? 1 : 0
        let programs = PacketDatapath.Settings(
            pins: datapath.pins, capacities: capacities, config: datapath.config, packets: packets)
        return try DeviceKeeper(programs, settings: settings.packets, log: log)
    }

    /// Says that a kube-proxy, or what it has left, is on this node too.
    private func lookForKubeProxy() -> KubeProxyTraces {
        let traces = KubeProxyTraces.find(RunDirectory(bpfRoot: settings.bpfRoot).archive)
        if traces.isPresent, let summary = traces.summary {
            log.warning("kube-proxy translates Services on this node too", metadata: ["found": "\(summary)"])
        }
        return traces
    }

    private var capacities: MapCapacities {
        MapCapacities(
            services: settings.maxServices, slots: settings.maxSlots, backends: settings.maxBackends,
            sourceRanges: settings.maxSourceRanges, flows: MapCapacities.flows(forMemory: Self.memory),
            countsBackends: settings.metricsPerBackend, possibleCPUs: CPUs.possible)
    }

    /// The machine's, in bytes.
    private static var memory: UInt64 {
        UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
    }

    func restoreMaps(_ pins: DatapathPins) throws -> ServiceMapWriter<BPFMapStore> {
        try phase("restored the maps") {
            try ServiceMapWriter(
                store: BPFMapStore(pins: pins), grace: RCUGracePeriod(), capacities: capacities)
        }
    }

    func attach(
        _ datapath: borrowing Datapath, to cgroup: FilePath, _ devices: DeviceKeeper?, _ control: ControlPlane
    ) async throws {
        // Whoever reads "ready" may call from outside at once.
        await devices?.follow(nodeAddresses: await control.ownAddresses)
        await devices?.follow(try NetworkSnapshot.read())
        try attach(datapath, to: cgroup)
    }

    private func attach(_ datapath: borrowing Datapath, to cgroup: FilePath) throws {
        let start = ContinuousClock.now
        let summary = try datapath.attach(to: cgroup, bindProtection: settings.bindProtection)
        log.info(
            "attached the hooks",
            metadata: [
                "cgroup": "\(cgroup)", "attached": "\(summary.attached)", "updated": "\(summary.updated)",
                "duration": "\(Self.text(ContinuousClock.now - start))",
            ])
    }

    /// Runs a phase of the start and logs how long it took.
    func phase<Result: ~Copyable>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
        let start = ContinuousClock.now
        let result = try body()
        log.info("\(name)", metadata: ["duration": "\(Self.text(ContinuousClock.now - start))"])
        return result
    }

    /// `16ms`: rounded, in the largest unit that fits.
    static func text(_ duration: Duration) -> String {
        let units: [(String, Duration)] = [("s", .seconds(1)), ("ms", .milliseconds(1))]
        let (unit, size) = units.first { duration >= $0.1 } ?? ("µs", .microseconds(1))
        return "\(Int((duration / size).rounded()))\(unit)"
    }
}
