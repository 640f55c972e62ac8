import BPFLoader
import DatapathInstall
import Glibc
import Logging
import ServiceMaps
import Settings
import SystemCalls
import SystemPackage

/// The programs and maps of a daemon, before a hook is attached.
struct InstalledDatapath: ~Copyable {
    let datapath: SocketDatapath
    let handOver: HandOver
    let writer: ServiceMapWriter<BPFMapStore>
}

/// The phases of the start.
extension Daemon {
    /// Loads the programs, and reads what is in the maps. It blocks while the kernel verifies.
    func install(_ directory: RunDirectory, _ locks: HeldLocks) throws -> sending InstalledDatapath {
        try BPFFileSystem.provide(for: settings.bpfRoot)
        // Where nothing is there is nothing to be protected yet.
        if settings.bpfRoot.exists { try locks.take(bpfRoot: settings.bpfRoot, directory) }
        let handOver = try beginHandOver()
        let datapath = try loadDatapath(handOver)
        try locks.take(bpfRoot: settings.bpfRoot, directory)
        try handOver.copy()
        return InstalledDatapath(datapath: datapath, handOver: handOver, writer: try restoreMaps(handOver))
    }

    /// Finds out whose maps we go on with.
    private func beginHandOver() throws -> HandOver {
        try HandOver(
            to: build, own: DatapathPins(root: settings.bpfRoot, number: build.version), reached: reached, log: log)
    }

    private func loadDatapath(_ handOver: HandOver) throws -> sending SocketDatapath {
        let features = try phase("probed the kernel") { try KernelFeatures.probe() }
        for feature in features.missing {
            guard let cost = feature.costWhenMissing else { continue }
            log.notice("this kernel lacks a feature", metadata: ["feature": "\(feature.name)", "cost": "\(cost)"])
        }
        return try phase("loaded the datapath") {
            do throws(BPFError) {
                return try SocketDatapath(
                    build: build, pins: handOver.own, capacities: try capacities(handOver), features: features,
                    hostNetnsCookie: try NetworkNamespace.cookie(), sockets: settings.sockets,
                    hasPodDevices: settings.packets.podInterfaces.areNamed, atLeast: handOver.sizes)
            } catch {
                if let said = error.log { log.debug("the kernel's log", metadata: ["log": "\(said)"]) }
                throw error
            }
        }
    }

    /// What attaches the programs, and keeps them attached.
    func datapathKeeper(
        _ datapath: consuming sending SocketDatapath, _ handOver: HandOver, _ cgroup: FilePath
    ) throws -> DatapathKeeper {
        try DatapathKeeper(
            datapath, handOver, build: build, capacities: try capacities(handOver), cgroup: cgroup,
            settings: InstallSettings(
                sockets: settings.sockets, bindProtection: settings.bindProtection, packets: settings.packets,
                node: settings.node),
            log: log)
    }

    /// Before any hook is attached, so that no socket is translated that is not to be.
    func leftCgroups(_ pins: DatapathPins, _ cgroup: FilePath) async throws -> LeftCgroups {
        let left = try LeftCgroups(settings.leftCgroups, below: cgroup, pins: pins, log: log)
        if let problem = await left.look() {
            log.warning("cannot leave all sockets to the packets", metadata: ["cause": "\(problem)"])
        }
        return left
    }

    /// Nil when the maps keep their size.
    func growthPlan(_ keeper: DatapathKeeper?) -> GrowthPlan<BPFMapStore>? {
        guard let keeper, settings.mapSizes.memoryLimit > 0 else { return nil }
        let limits = MapGrowth(memoryLimit: Int(settings.mapSizes.memoryLimit) << 20, possibleCPUs: CPUs.possible)
        return GrowthPlan(limits: limits) { capacities in try await keeper.grow(to: capacities) }
    }

    /// Says that a kube-proxy, or what it has left, is on this node too.
    func lookForKubeProxy() -> KubeProxyTraces {
        let traces = KubeProxyTraces.find(RunDirectory(bpfRoot: settings.bpfRoot).archive)
        if traces.isPresent, let summary = traces.summary {
            log.warning("kube-proxy translates Services on this node too", metadata: ["found": "\(summary)"])
        }
        if !traces.isWhole, !traces.isPresent {
            log.notice(
                "cannot see whether rules of kube-proxy are on this node; leaving connections that they may translate alone",
                metadata: ["cause": "\((traces.unseen + traces.closed).joined(separator: "; "))"])
        }
        return traces
    }

    /// What is configured, or what maps have that have grown since they were made so.
    private func capacities(_ handOver: HandOver) throws(BPFError) -> MapCapacities {
        let sizes = settings.mapSizes
        let configured = MapCapacities(
            services: sizes.services, slots: sizes.slots, backends: sizes.backends, sourceRanges: sizes.sourceRanges,
            flows: sizes.flows == 0 ? MapCapacities.flows(forMemory: Self.memory) : sizes.flows,
            countsBackends: settings.metricsPerBackend, possibleCPUs: CPUs.possible)
        var pinned: [ServiceMap: UInt32] = [:]
        for map in ServiceMap.allCases {
            let size = try handOver.own.openIfPinned(map.rawValue)?.maxEntries ?? handOver.sizes[map.rawValue]
            pinned[map] = size.map(UInt32.init)
        }
        return configured.raised { pinned[$0] }
    }

    /// The machine's, in bytes.
    private static var memory: UInt64 {
        UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
    }

    private func restoreMaps(_ handOver: HandOver) throws -> ServiceMapWriter<BPFMapStore> {
        try phase("read the maps") {
            try ServiceMapWriter(
                store: BPFMapStore(pins: handOver.own), grace: RCUGracePeriod(), capacities: try capacities(handOver))
        }
    }

    /// Runs a phase of the start and logs how long it took.
    func phase<Result: ~Copyable>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
        let start = ContinuousClock.now
        let result = try body()
        log.info("\(name)", metadata: ["duration": "\((ContinuousClock.now - start).roundedText)"])
        return result
    }
}
