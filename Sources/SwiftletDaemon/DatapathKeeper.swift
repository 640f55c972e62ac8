import BPFLoader
import Logging
import NodeNetwork
import ServiceMaps
import ServiceModel
import SystemPackage

/// Owns the loaded programs, and attaches them: to the cgroup, and by its keeper to devices.
actor DatapathKeeper {
    var datapath: Datapath
    let handOver: HandOver
    nonisolated let devices: DeviceKeeper
    /// Another version's programs serve until the whole state is programmed.
    nonisolated let needsWholeState: Bool
    let build: DatapathBuild
    let features: KernelFeatures
    let cgroup: FilePath
    let settings: Configuration
    let log: Logger
    private(set) var isAttached = false
    var held: HeldPins

    init(
        _ datapath: consuming sending Datapath, _ handOver: HandOver, _ devices: DeviceKeeper, build: DatapathBuild,
        features: KernelFeatures, cgroup: FilePath, settings: Configuration, log: Logger
    ) {
        self.build = build
        self.features = features
        self.datapath = datapath
        self.handOver = handOver
        self.devices = devices
        needsWholeState = handOver.needsWholeState
        held = HeldPins(of: handOver.own)
        self.cgroup = cgroup
        self.settings = settings
        self.log = log
    }

    /// Puts our programs in the place of those that serve. The maps hold what they must.
    ///
    /// - Parameters:
    ///   - node: as far as it is known; it chooses the devices.
    ///   - cluster: the same.
    func attach(_ node: NodeFacts, _ cluster: ClusterState) async throws {
        try handOver.commit()
        try await devices.adopt(from: handOver.others, reached: handOver.reached)
        await devices.release()
        // Whoever reads "ready" may call from outside at once.
        await devices.follow(node)
        await devices.follow(try NetworkSnapshot.read(), cluster)
        let start = ContinuousClock.now
        let summary = try attachHooks(datapath)
        isAttached = true
        log.info(
            "attached the hooks",
            metadata: [
                "cgroup": "\(cgroup)", "attached": "\(summary.attached)", "updated": "\(summary.updated)",
                "duration": "\(Daemon.text(ContinuousClock.now - start))",
            ])
        try handOver.finish()
        try held.refresh()
    }

    /// Told of each step.
    var reached: HandOver.Checkpoint { handOver.reached }

    func attachHooks(_ datapath: borrowing Datapath) throws(BPFError) -> AttachSummary {
        try datapath.attach(
            to: cgroup, bindProtection: settings.bindProtection, takingOver: handOver.others, log: log,
            reached: reached)
    }
}
