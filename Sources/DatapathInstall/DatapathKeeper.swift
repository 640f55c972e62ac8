import BPFLoader
import CDatapath
package import Logging
import NodeNetwork
package import ServiceMaps
package import ServiceModel
package import SystemPackage
import SystemCalls

/// Owns the loaded programs, and attaches them: to the cgroup, and by its keeper to devices.
package actor DatapathKeeper {
    var datapath: SocketDatapath
    let handOver: HandOver
    package nonisolated let devices: DeviceKeeper
    /// Another version's programs serve until the whole state is programmed.
    package nonisolated let needsWholeState: Bool
    let build: DatapathBuild
    let features: KernelFeatures
    let cgroup: FilePath
    let settings: InstallSettings
    let log: Logger
    package private(set) var isAttached = false
    /// The packets of pods' sockets are looked at where source ranges ask for it.
    package private(set) var checksSources: Bool
    var held: HeldPins

    /// Programs at tc are also taken off devices that are not wanted: with `--devices none` what an earlier process has
    /// attached.
    package init(
        _ datapath: consuming sending SocketDatapath, _ handOver: HandOver, build: DatapathBuild,
        capacities: MapCapacities, cgroup: FilePath, settings: InstallSettings, log: Logger
    ) throws {
        let features = try KernelFeatures.probe()
        let programs = PacketDatapath.Settings(
            build: build, pins: datapath.pins, capacities: capacities, sizes: handOver.sizes,
            config: datapath.config, packets: tc_config(settings, features))
        devices = try DeviceKeeper(programs, settings, isHeld: true, log: log)
        self.build = build
        self.features = features
        self.datapath = datapath
        self.handOver = handOver
        needsWholeState = handOver.needsWholeState
        held = HeldPins(of: handOver.own)
        checksSources = Self.checksSources(handOver)
        self.cgroup = cgroup
        self.settings = settings
        self.log = log
    }

    /// Puts our programs in the place of those that serve. The maps hold what they must.
    ///
    /// - Parameters:
    ///   - node: as far as it is known; it chooses the devices.
    ///   - cluster: the same.
    package func attach(_ node: NodeFacts, _ cluster: ClusterState) async throws {
        try handOver.commit()
        try await devices.adopt(from: handOver.others, reached: handOver.reached)
        await devices.release()
        // Clients outside may call as soon as "ready" is logged.
        await devices.follow(node)
        await devices.follow(try NetworkSnapshot.read(), cluster)
        let start = ContinuousClock.now
        let summary = try attachHooks(datapath)
        isAttached = true
        log.info(
            "attached the hooks",
            metadata: [
                "cgroup": "\(cgroup)", "attached": "\(summary.attached)", "updated": "\(summary.updated)",
                "duration": "\((ContinuousClock.now - start).roundedText)",
            ])
        try handOver.finish()
        try held.refresh()
    }

    /// What an earlier process has left: its maps may count on it.
    static func checksSources(_ handOver: HandOver) -> Bool {
        ([handOver.own] + handOver.others).contains { $0.link(DatapathPins.sourceCheck).exists }
    }

    /// Begins or ends to look at the packets of pods' sockets.
    package func setChecksSources(_ isWanted: Bool) throws {
        guard isWanted != checksSources else { return }
        checksSources = isWanted
        guard isAttached else { return }
        do {
            _ = try attachHooks(datapath)
            try held.refresh()
        } catch {
            checksSources = !isWanted
            throw error
        }
        log.info(
            isWanted
                ? "looking at packets of pods: source ranges hold for some of them"
                : "no longer looking at packets of pods",
            metadata: ["hook": "\(DatapathPins.sourceCheck)", "cgroup": "\(cgroup)"])
    }

    /// Told of each step.
    var reached: HandOver.Checkpoint { handOver.reached }

    func attachHooks(_ datapath: borrowing SocketDatapath) throws(BPFError) -> AttachSummary {
        try datapath.attach(
            to: cgroup, bindProtection: settings.bindProtection, sourceCheck: checksSources,
            takingOver: handOver.others, log: log,
            reached: reached)
    }
}
