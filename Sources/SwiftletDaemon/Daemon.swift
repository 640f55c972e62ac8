import BPFLoader
import CDatapath
import FoundationEssentials
import Glibc
import KubernetesObjects
import Logging
import ManifestDirectory
import ServiceLifecycle
import ServiceMaps
import SystemPackage
import UnixSignals

/// `swiftlet run`: starts in phases, each with a log line, and then keeps the maps in step until it is told to end.
/// The datapath stays when the process goes.
public struct Daemon: Sendable {
    private let settings: Configuration
    private let log: Logger

    public init(_ settings: Configuration) {
        self.settings = settings
        log = Logs.logger(level: settings.logLevel, format: settings.logFormat)
    }

    public func run() async throws {
        let started = ContinuousClock.now
        guard case .manifests(let directories) = try settings.source() else {
            throw ConfigurationError(
                "cannot follow a cluster: this build reads manifests only; name them with --manifests")
        }
        // From the first moment on: a signal during the start must not kill half-way.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let directory = RunDirectory(bpfRoot: settings.bpfRoot)
        let lock = try InstanceLock(directory)
        log.info(
            "starting",
            metadata: ["version": "\(Version.swiftlet)", "node": "\(settings.nodeName)", "pid": "\(getpid())"])
        if let names = settings.withoutEffectText {
            log.notice("accepted, and without effect here", metadata: ["settings": "\(names)"])
        }
        OOMScore.adjust(to: settings.oomScoreAdjustment, log: log)
        let cgroup = try settings.cgroupRoot ?? CgroupFileSystem.root()
        // A cgroup that is none must not be found out after maps were made.
        _ = try CgroupFileSystem.id(of: cgroup)
        var datapath: Datapath?
        var writer: ServiceMapWriter<BPFMapStore>?
        if settings.kubeProxyReplacement {
            let loaded = try loadDatapath()
            writer = try restoreMaps(loaded.pins)
            datapath = consume loaded
        } else {
            log.notice("observing only: nothing is programmed; run with --kube-proxy-replacement=true to serve")
        }
        let control = ControlPlane(settings, writer: writer, log: log)
        let source = try phase("reading manifests") { try ManifestSource(directories: directories) }
        let batches = source.batches()
        await programFirst(of: batches, control)
        if let datapath { try attach(datapath, to: cgroup) }
        if settings.initOnly { return log.info("initialised; the datapath works on, and follows no changes") }
        let socket = try controlSocket(control, directory, cgroup)
        log.info("ready", metadata: ["duration": "\(Self.text(ContinuousClock.now - started))"])
        let parts: [any Service] = [
            ManifestService(batches: batches, control: control), ReconcileService(control: control), socket,
        ]
        try await serve(parts, until: signals)
        log.info(
            settings.kubeProxyReplacement
                ? "stopped; the datapath works on, `swiftlet cleanup` would remove it" : "stopped observing")
        _ = consume lock
    }

    /// The complete list comes first, and is in the maps before any hook is attached.
    private func programFirst(of batches: ManifestBatches, _ control: ControlPlane) async {
        for await batch in batches {
            let summary = await control.ingest(batch)
            Heap.trim()
            log.info(
                settings.kubeProxyReplacement ? "programmed the first list" : "observed the first list",
                metadata: [
                    "services": "\(summary.services)", "writes": "\(summary.writes)",
                    "compile": "\(Self.text(summary.compile))", "duration": "\(Self.text(summary.apply))",
                ])
            if batch.isInitial { return }
        }
    }

    /// Whoever reads "ready" may ask for the status at once.
    private func controlSocket(
        _ control: ControlPlane, _ directory: RunDirectory, _ cgroup: FilePath
    ) throws -> ControlSocketService {
        let base = report(cgroup: cgroup)
        return try ControlSocketService(directory: directory) { request in
            await Self.answer(request, control: control, base: base)
        }
    }

    private func serve(_ parts: [any Service], until signals: UnixSignalsSequence) async throws {
        // The group's own lines about its services say nothing that a person needs.
        var groupLog = log
        groupLog.logLevel = max(.warning, settings.logLevel)
        let end = ServiceGroupConfiguration.ServiceConfiguration(
            service: EndSignalService(signals: signals), successTerminationBehavior: .gracefullyShutdownGroup)
        let group = ServiceGroup(
            configuration: .init(services: parts.map { .init(service: $0) } + [end], logger: groupLog))
        try await group.run()
    }

    private static func answer(_ request: ControlRequest, control: ControlPlane, base: DaemonReport) async -> Data {
        let encoder = ReportCoding.encoder()
        let answer: Data? =
            switch request {
            case .status: try? encoder.encode(await control.report(base))
            case .services: try? encoder.encode(await control.serviceReports())
            }
        return answer ?? Data()
    }

    private func report(cgroup: FilePath) -> DaemonReport {
        DaemonReport(
            pid: getpid(), version: Version.swiftlet, nodeName: settings.nodeName,
            kubeProxyReplacement: settings.kubeProxyReplacement, cgroupRoot: cgroup.string, startedAt: Date(),
            sources: settings.manifests.map { "manifests \($0)" }, nodePortAddresses: [], desired: .init(),
            programmed: .init(), pending: [], problems: [], residentBytes: 0)
    }
}

// MARK: - Phases of the start

extension Daemon {
    private func loadDatapath() throws -> Datapath {
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

    private func restoreMaps(_ pins: DatapathPins) throws -> ServiceMapWriter<BPFMapStore> {
        try phase("restored the maps") {
            try ServiceMapWriter(
                store: BPFMapStore(pins: pins), grace: RCUGracePeriod(), capacities: capacities)
        }
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
    private func phase<Result: ~Copyable>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
        let start = ContinuousClock.now
        let result = try body()
        log.info("\(name)", metadata: ["duration": "\(Self.text(ContinuousClock.now - start))"])
        return result
    }

    /// `16ms`: rounded, in the largest unit that fits.
    private static func text(_ duration: Duration) -> String {
        let units: [(String, Duration)] = [("s", .seconds(1)), ("ms", .milliseconds(1))]
        let (unit, size) = units.first { duration >= $0.1 } ?? ("µs", .microseconds(1))
        return "\(Int((duration / size).rounded()))\(unit)"
    }
}

// MARK: - Long-running parts

/// Ends with the first signal, and the group with it.
struct EndSignalService: Service {
    let signals: UnixSignalsSequence

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() { return }
    }
}

/// Feeds batches to the control plane, one after the other.
struct ManifestService: Service {
    let batches: ManifestBatches
    let control: ControlPlane

    func run() async throws {
        for await batch in batches.cancelOnGracefulShutdown() {
            _ = await control.ingest(batch)
        }
    }
}

/// Tries again what failed, with growing pauses, and follows the node's addresses.
struct ReconcileService: Service {
    let control: ControlPlane
    private static let usualPause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var pause = Self.usualPause
            while !Task.isCancelled {
                guard (try? await Task.sleep(for: pause)) != nil else { return }
                let isPending = await control.tick()
                pause = isPending ? min(pause * 2, .seconds(60)) : Self.usualPause
            }
        }
    }
}
