import BPFLoader
package import DatapathInstall
import FoundationEssentials
import Glibc
import KubernetesAPI
import KubernetesObjects
import Logging
import ManifestDirectory
import NIOCore
import NodeNetwork
import Observability
import ServiceLifecycle
import ServiceMaps
import ServiceModel
package import Settings
import SystemPackage
import UnixSignals
import SystemCalls

/// `swiftlet run`: starts in phases, each with a log line, and then keeps the maps in step until it is told to end.
/// The datapath stays when the process goes.
package struct Daemon: Sendable {
    let settings: Configuration
    let log: Logger
    let build: DatapathBuild
    /// Told of each step from one version of the maps to another.
    let reached: @Sendable (String) -> Void
    /// Told how far a long start is; nil when it is over.
    private let progress: @Sendable (String?) -> Void
    private let started = ContinuousClock.now
    private let source: ConfigurationSource?
    private let threshold: LogThreshold
    private let history = ActivityHistory()
    /// Traces of a kube-proxy on this node; nil until they were looked for.
    var kubeProxy: KubeProxyTraces?

    /// - Parameters:
    ///   - build: the programs; others than this program's own are for tests.
    ///   - reached: told of each step from one version of the maps to another, for tests.
    ///   - progress: told how far a long start is; nil when it is over.
    ///   - source: where the settings are read again; nil: SIGHUP does nothing.
    package init(
        _ settings: Configuration, build: DatapathBuild = .own, source: ConfigurationSource? = nil,
        reached: @escaping @Sendable (String) -> Void = { _ in },
        progress: @escaping @Sendable (String?) -> Void = { _ in }
    ) {
        self.progress = progress
        self.settings = settings
        self.build = build
        self.reached = reached
        self.source = source
        threshold = LogThreshold(settings.logLevel)
        log = Logs.logger(threshold: threshold, format: settings.logFormat)
    }

    package func run() async throws {
        // Three watches and a few scrapes a minute: more threads would only take memory.
        NIOSingletons.groupLoopCountSuggestion = 1
        NIOSingletons.blockingPoolThreadCountSuggestion = 1
        let origin = try settings.source()
        let connection = try settings.connection(of: origin)
        // From the first moment on: a signal during the start must not kill half-way.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        let deadline = StopDeadline(log: log, exitCode: settings.initOnly ? 1 : 0)
        let directory = RunDirectory(bpfRoot: settings.bpfRoot)
        let locks = HeldLocks(instance: try InstanceLock(directory))
        defer { withExtendedLifetime(locks) {} }
        let cgroup = try settings.cgroup()
        let names = settings.initOnly ? nil : DaemonNames(settings.names)
        let nameParts = try await startNames(names, directory, connection)
        let endpoints = DaemonEndpoints(settings, log: log)
        let asked = connection.map { ask($0, names, endpoints.requests) }
        defer { asked?.cancel() }
        var keeper: DatapathKeeper?
        var writer: ServiceMapWriter<BPFMapStore>?
        var sockets: SocketDestroyKeeper?
        var left: LeftCgroups?
        if settings.kubeProxyReplacement {
            let installed = try await DetachedThread.run { try install(directory, locks) }
            writer = installed.writer
            sockets = await socketDestroyKeeper(installed.datapath.pins, cgroup)
            left = try await leftCgroups(installed.datapath.pins, cgroup)
            keeper = try datapathKeeper(installed.datapath, installed.handOver, cgroup)
        } else {
            log.notice("observing only: nothing is programmed; run with --kube-proxy-replacement=true to serve")
        }
        let recorder = recorder(connection, endpoints.requests)
        let network = try NetworkSnapshot.read()
        names?.follow(network)
        let control = KernelControlPlane(
            settings, writer: writer, localAddresses: network.usableAddresses, held: network.heldAddresses,
            checksSources: await keeper?.checksSources ?? false, endpoints: endpoints, warn: { recorder?.record($0) },
            bury: { [sockets] in await sockets?.bury($0) },
            rouse: { [sockets] in await sockets?.rouse($0) }, growth: growthPlan(keeper), names: names,
            progress: progress, log: log)

        let devices = keeper?.devices
        let hooks = Hooks(of: keeper, asksAPIServer: connection != nil, hasEmptyMaps: await control.hasEmptyMaps)
        var parts: [any ServiceLifecycle.Service]
        var statistics: @Sendable () -> SourceStatistics? = { nil }
        if let connection, let asked {
            statistics = { asked.source.statistics }
            let fallback = fallback(control, connection)
            await fallback?.serveIfEmpty()
            try await hooks.attach(at: .beforeList, control.nodeFacts, control.state)
            parts = clusterParts(asked, control, hooks, sockets, connection, fallback)
        } else {
            let source = try phase("reading manifests") {
                try ManifestSource(
                    directories: settings.manifests, nodePorts: settings.packets.nodePortRange.closedRange)
            }
            let batches = source.batches
            try await programFirst(of: batches, control, hooks)
            await control.grow()
            try await hooks.attach(at: .afterFirstList, control.nodeFacts, control.state)
            await control.settleSourceChecks(by: keeper)
            await devices?.follow(control.state)
            if settings.initOnly {
                await control.reclaim()
                return sayInitialised(withList: true)
            }
            await sockets?.rouseAwaited()
            parts = [FeedService(batches: batches, control: control)]
        }
        if settings.initOnly {
            parts.append(InitDeadlineService())
        } else {
            let report = report(of: control, cgroup, devices, sockets, left, statistics)
            parts += endpointParts(endpoints, control, cgroup, sockets, statistics, report)
            parts += sockets.map { [SocketDestroyService(keeper: $0)] } ?? []
            parts += [
                RetryService(control: control), ReclaimService(control: control), GrowthService(control: control),
            ]
            parts += keeper.map { [MendService(keeper: $0, control: control)] } ?? []
            parts += keeper.map { [SourceCheckService(keeper: $0, control: control)] } ?? []
            parts += left.map { [LeftCgroupService(cgroups: $0, control: control)] } ?? []
            parts += [NetworkService(control: control, devices: devices, log: log)]
            parts += devices.map { [EndpointDeviceService(control: control, devices: $0)] } ?? []
            parts += recorder.map { [EventService(recorder: $0)] } ?? []
            parts += nameParts
            if serviceManager.listens { parts.append(ServiceManagerService(manager: serviceManager, control: control)) }
            // The status may be asked for as soon as "ready" is logged.
            parts.append(try controlSocket(control, directory, cgroup, connection, report))
        }
        let reload = source.map { Reload($0, threshold: threshold, log: log) }
        parts.append(ReloadService(signals: hangUps, reload: reload))
        if connection == nil { sayReady(endpoints) }
        try await serve(parts, until: signals)
        if settings.initOnly { return sayInitialised(withList: await control.hasCompleteList) }
        log.info(
            settings.kubeProxyReplacement
                ? "stopped; the datapath works on, `swiftlet cleanup` would remove it" : "stopped observing")
        _ = consume deadline
    }

    private func serve(_ parts: [any ServiceLifecycle.Service], until signals: UnixSignalsSequence) async throws {
        // The group's own lines about its services say nothing that a person needs.
        var groupLog = log
        groupLog.logLevel = max(.warning, settings.logLevel)
        let end = ServiceGroupConfiguration.ServiceConfiguration(
            service: EndSignalService(signals: signals), successTerminationBehavior: .gracefullyShutdownGroup)
        let services = parts.map { part in
            ServiceGroupConfiguration.ServiceConfiguration(
                service: part,
                successTerminationBehavior: settings.initOnly ? .gracefullyShutdownGroup : .cancelGroup)
        }
        let group = ServiceGroup(configuration: .init(services: services + [end], logger: groupLog))
        try await group.run()
    }
}

// MARK: - Names

extension Daemon {
    /// Answers names as they were last from the first moment on: the datapath, which works without us, may take its time.
    private func startNames(
        _ names: DaemonNames?, _ directory: RunDirectory, _ connection: APIConnection?
    ) async throws -> [any ServiceLifecycle.Service] {
        guard let names else {
            // Names were turned off: those of an earlier process go.
            if !settings.initOnly { _ = directory.names.withPlatformString { unlink($0) } }
            return []
        }
        let origin = connection?.clusterMarks.sorted() ?? settings.manifests.map { "directory \($0)" }
        let memory = NameMemory(
            names: names, file: directory.names, origin: origin.joined(separator: "\n"), log: log)
        names.follow(try NetworkSnapshot.read())
        memory.recall()
        return [await names.start(log: log), memory]
    }
}

// MARK: - What is said

extension Daemon {
    func sayHello() {
        log.info(
            "starting",
            metadata: ["version": "\(Version.swiftlet)", "node": "\(settings.nodeName)", "pid": "\(getpid())"])
        if let names = settings.withoutEffectText {
            log.notice("ignored settings that have no effect", metadata: ["settings": "\(names)"])
        }
    }

    private func sayReady(_ endpoints: DaemonEndpoints) {
        endpoints.health.setReady()
        log.info("ready", metadata: ["duration": "\((ContinuousClock.now - started).roundedText)"])
        serviceManager.tell("READY=1", "STATUS=\(settings.kubeProxyReplacement ? "serving" : "observing only")")
    }

    private var serviceManager: ServiceManager { ServiceManager(environment: ProcessInfo.processInfo.environment) }

    private func sayInitialised(withList: Bool) {
        guard !withList else { return log.info("initialised; the datapath works on, and follows no changes") }
        log.warning(
            "initialised without a list of the API server; the datapath serves what was known before",
            metadata: ["waited": "\(InitDeadlineService.patience.roundedText)"])
    }

    private func sayProgrammed(_ summary: IngestSummary) {
        log.info(
            settings.kubeProxyReplacement ? "programmed the first list" : "observed the first list",
            metadata: [
                "services": "\(summary.allServices)", "writes": "\(summary.writes)",
                "compile": "\(summary.compile.roundedText)", "duration": "\(summary.apply.roundedText)",
            ])
    }
}

// MARK: - The first list

extension Daemon {
    /// Programs the complete list, which comes first.
    private func programFirst(
        of batches: StateBatches, _ control: KernelControlPlane, _ hooks: Hooks
    ) async throws {
        for await batch in batches {
            let node = NodeFacts(batch.events.node(named: settings.nodeName))
            try await hooks.attach(at: .beforeFirstWrite, node, control.state)
            control.arrived(batch)
            let summary = await control.ingestFirst(batch)
            Heap.trim()
            sayProgrammed(summary)
            if batch.isInitial { return }
        }
    }

    private func fallback(_ control: KernelControlPlane, _ connection: APIConnection) -> StateCacheFallback? {
        settings.stateDirectory.map {
            StateCacheFallback(directory: $0, cluster: connection.clusterMarks, control: control, log: log)
        }
    }

    /// Asks the API servers, whose lists come while the programs are loaded.
    private func ask(_ connection: APIConnection, _ names: DaemonNames?, _ requests: RequestBoard) -> ClusterService {
        if let proxy = connection.unusedProxy(in: ProcessInfo.processInfo.environment) {
            log.warning(
                "API servers are connected to directly, whatever the environment says of a proxy",
                metadata: ["variable": "\(proxy)", "advice": "unset it, or name the API servers in NO_PROXY"])
        }
        log.info("asking the API server", metadata: ["source": "\(settings.cluster.shown)"])
        return ClusterService(
            KubernetesSource(
                connection, nodeName: settings.nodeName, proxyName: settings.node.proxyName,
                scope: names == nil ? .served : .named, requests: requests, time: .real, log: log))
    }

    /// What follows a cluster.
    private func clusterParts(
        _ asked: ClusterService, _ control: KernelControlPlane, _ hooks: Hooks, _ sockets: SocketDestroyKeeper?,
        _ connection: APIConnection, _ fallback: StateCacheFallback?
    ) -> [any ServiceLifecycle.Service] {
        let feed = FeedService(
            batches: asked.source.batches, control: control, endsWithFirstList: settings.initOnly,
            lastKnown: { [settings, log] in
                guard let directory = settings.stateDirectory else { return [] }
                let node = settings.nodeName
                return await StateCacheService.events(
                    from: directory, node: node, cluster: connection.clusterMarks, log: log)
            },
            onFirstList: { summary in
                sayProgrammed(summary)
                await control.grow()
                try await hooks.attach(at: .afterFirstList, control.nodeFacts, control.state)
                await control.settleSourceChecks(by: hooks.keeper)
                await hooks.keeper?.devices.follow(control.state)
                sayReady(control.endpoints)
                await sockets?.rouseAwaited()
            })
        var parts: [any ServiceLifecycle.Service] = [asked, feed]
        if let fallback, !settings.initOnly {
            let cache = StateCacheService(
                directory: fallback.directory, cluster: fallback.cluster, control: control, log: log)
            parts += [fallback, cache]
        }
        return parts
    }

    private func recorder(_ connection: APIConnection?, _ requests: RequestBoard) -> EventRecorder? {
        guard settings.recordsEvents, let connection else { return nil }
        return EventRecorder(connection, nodeName: settings.nodeName, requests: requests, time: .real, log: log)
    }
}

// MARK: - What others ask

extension Daemon {
    private func endpointParts(
        _ endpoints: DaemonEndpoints, _ control: KernelControlPlane, _ cgroup: FilePath,
        _ sockets: SocketDestroyKeeper?, _ statistics: @escaping @Sendable () -> SourceStatistics?,
        _ report: @escaping @Sendable () async -> DaemonReport
    ) -> [any ServiceLifecycle.Service] {
        let pins = settings.kubeProxyReplacement ? DatapathPins(root: settings.bpfRoot) : nil
        let services = endpoints.services(
            pins: pins, cgroup: cgroup,
            wanted: {
                let source = statistics()
                endpoints.sync.take(source)
                await control.lookAtPods()
                var wanted = await control.wanted
                wanted.sockets = await sockets?.report
                wanted.isAPIServerUp = source?.isUp
                return wanted
            }, page: { [history] in StatusPage.read(await report(), await control.serviceReports(), pins, history) })
        return services + [ActivityService(history, pins: pins)]
    }

    /// What the daemon says of itself and of all its parts, whenever it is asked.
    private func report(
        of control: KernelControlPlane, _ cgroup: FilePath, _ devices: DeviceKeeper?, _ sockets: SocketDestroyKeeper?,
        _ left: LeftCgroups?, _ statistics: @escaping @Sendable () -> SourceStatistics?
    ) -> @Sendable () async -> DaemonReport {
        let base = report(cgroup: cgroup)
        return { [history] in
            await control.lookAtPods()
            return await control.report(base).with(statistics())
                .with(devices?.report(nodePorts: control.nodePortAddresses, hasNodePorts: control.servesNodePorts))
                .with(sockets?.report).with(left?.report, control.nodePortUse).with(history)
        }
    }

    private func controlSocket(
        _ control: KernelControlPlane, _ directory: RunDirectory, _ cgroup: FilePath, _ connection: APIConnection?,
        _ report: @escaping @Sendable () async -> DaemonReport
    ) throws -> ControlSocketService {
        let look: @Sendable (String) async -> Data = { subject in
            guard let connection else { return Data() }
            let seen = await CloseLook.take(
                connection, of: await control.subject(of: subject), requests: control.endpoints.requests, time: .real)
            let report = LookReport(list: seen.list, unseen: seen.unseen)
            return (try? ReportCoding.encoder().encode(report)) ?? Data()
        }
        let served: @Sendable (String) async -> Data = { subject in
            let report = await control.served(subject)
            return report.flatMap { try? ReportCoding.encoder().encode($0) } ?? Data()
        }
        let probe: @Sendable (String) -> Data = { address in
            let outcome = IPAddress(address).flatMap { HookProbe.runHere(cgroup: cgroup, vip: $0) }
            return (try? ReportCoding.encoder().encode([outcome].compactMap(\.self))) ?? Data()
        }
        return try ControlSocketService(directory: directory, look: look, served: served, probe: probe) { request in
            let encoder = ReportCoding.encoder()
            let answer: Data? =
                switch request {
                case .status: try? encoder.encode(await report())
                case .services: try? encoder.encode(await control.completeServiceReports())
                case .node: try? encoder.encode(await control.nodeReport)
                case .listen: try? encoder.encode(await control.tryToListen())
                case .settings: try? encoder.encode([settings.fileText])
                case .log: try? encoder.encode(RecentLog.last)
                }
            return answer ?? Data()
        }
    }

    private func report(cgroup: FilePath) -> DaemonReport {
        DaemonReport(
            pid: getpid(), version: Version.swiftlet, nodeName: settings.nodeName,
            kubeProxyReplacement: settings.kubeProxyReplacement, cgroupRoot: cgroup.string,
            socketLB: settings.sockets.rawValue, startedAt: Date(),
            sources: settings.manifests.isEmpty
                ? [settings.cluster.shown] : settings.manifests.map { "directory \($0)" },
            watches: [], nodePortAddresses: [], devices: [], desired: .init(), programmed: .init(), pending: [],
            problems: [], risks: [], rights: DaemonReport.Rights(settings), flowTimeouts: settings.packets.timeouts,
            residentBytes: 0)
    }
}

/// Ends after a while, and with it the group of a process that is to initialise only: a pod may wait for it.
struct InitDeadlineService: ServiceLifecycle.Service {
    static let patience = Duration.seconds(30)

    func run() async throws {
        await cancelWhenGracefulShutdown { try? await Task.sleep(for: Self.patience) }
    }
}

/// Ends with the first signal, and the group with it.
struct EndSignalService: ServiceLifecycle.Service {
    let signals: UnixSignalsSequence

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() { return }
    }
}
