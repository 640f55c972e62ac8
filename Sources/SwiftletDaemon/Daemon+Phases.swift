import BPFLoader
import CDatapath
import Logging
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
                    hostNetnsCookie: try NetworkNamespace.cookie())
            } catch {
                if let said = error.log { log.debug("the kernel's log", metadata: ["log": "\(said)"]) }
                throw error
            }
        }
    }

    private var capacities: MapCapacities {
        MapCapacities(
            services: settings.maxServices, slots: settings.maxSlots, backends: settings.maxBackends,
            sourceRanges: settings.maxSourceRanges, countsBackends: settings.metricsPerBackend,
            possibleCPUs: CPUs.possible)
    }

    func restoreMaps(_ pins: DatapathPins) throws -> ServiceMapWriter<BPFMapStore> {
        try phase("restored the maps") {
            try ServiceMapWriter(
                store: BPFMapStore(pins: pins), grace: RCUGracePeriod(), capacities: capacities)
        }
    }

    func attach(_ datapath: borrowing Datapath, to cgroup: FilePath) throws {
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
