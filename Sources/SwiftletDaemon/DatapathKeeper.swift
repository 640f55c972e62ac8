import BPFLoader
import Glibc
import Logging
import NodeNetwork
import ServiceMaps
import SystemPackage

/// Owns the loaded programs, and attaches them: to the cgroup, and by its keeper to devices.
actor DatapathKeeper {
    private var datapath: Datapath
    private let handOver: HandOver
    nonisolated let devices: DeviceKeeper
    /// Another version's programs serve until the whole state is programmed.
    nonisolated let needsWholeState: Bool
    private let cgroup: FilePath
    private let settings: Configuration
    private let log: Logger
    private let build: DatapathBuild
    private let features: KernelFeatures
    private var isAttached = false

    init(
        _ datapath: consuming sending Datapath, _ handOver: HandOver, _ devices: DeviceKeeper, cgroup: FilePath,
        build: DatapathBuild, features: KernelFeatures, settings: Configuration, log: Logger
    ) {
        self.build = build
        self.features = features
        self.datapath = datapath
        self.handOver = handOver
        self.devices = devices
        needsWholeState = handOver.needsWholeState
        self.cgroup = cgroup
        self.settings = settings
        self.log = log
    }

    /// Puts our programs in the place of those that serve. The maps hold what they must.
    func attach(_ control: ControlPlane) async throws {
        try handOver.commit()
        try await devices.adopt(from: handOver.others, reached: handOver.reached)
        await devices.release()
        // Whoever reads "ready" may call from outside at once.
        await devices.follow(await control.nodeFacts)
        await devices.follow(try NetworkSnapshot.read())
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
    }

    private func attachHooks(_ datapath: borrowing Datapath) throws(BPFError) -> AttachSummary {
        try datapath.attach(
            to: cgroup, bindProtection: settings.bindProtection, takingOver: handOver.others, log: log,
            reached: handOver.reached)
    }
}

// MARK: - More room

extension DatapathKeeper {
    /// Makes maps with more room in the place of those that are too small:
    ///
    /// 1. new maps beside the old ones, and programs that use them
    /// 2. the entries, which nobody writes meanwhile
    /// 3. the programs, swapped in place: those of both kinds read the same entries
    /// 4. the pins, each renamed onto the old one's
    ///
    /// If it fails, or the process ends, the old maps serve as before.
    /// - Returns: the maps to be written from now on.
    func grow(to capacities: MapCapacities) async throws -> BPFMapStore {
        let plain = handOver.own
        var pins = plain
        for map in MapGroup.allCases.flatMap(\.maps) {
            guard let pinned = try plain.openIfPinned(map.rawValue), let wanted = capacities[map] else { continue }
            if pinned.maxEntries < Int(wanted) { pins.growing.insert(map.rawValue) }
        }
        do throws(any Error) {
            try BPFFileSystem.makeDirectories(pins.next)
            let larger = try Datapath(
                build: build, pins: pins, capacities: capacities, features: features,
                hostNetnsCookie: try NetworkNamespace.cookie(), sockets: settings.sockets)
            handOver.reached("loaded larger maps")
            try await devices.prepare(pins: pins, capacities: capacities)
            for name in pins.growing.sorted() {
                try BPFMap(pinnedAt: plain.map(name)).copyEntries(to: BPFMap(pinnedAt: pins.map(name)))
            }
            handOver.reached("copied into larger maps")
            if isAttached { try await swap(to: larger) }
            datapath = larger
            // Opened before they are renamed: from here on nothing that can fail stands between us and the new maps.
            let store = try BPFMapStore(pins: pins)
            for name in pins.growing.sorted() {
                try rename(pins.map(name), to: plain.map(name))
                handOver.reached("renamed \(name)")
            }
            _ = pins.next.withPlatformString { rmdir($0) }
            await devices.usePins(plain)
            return store
        } catch {
            var removal = PinRemoval()
            try? removal.removeNext(of: plain)
            throw error
        }
    }

    private func swap(to larger: borrowing Datapath) async throws {
        try await devices.swap()
        do {
            _ = try attachHooks(larger)
        } catch {
            _ = try attachHooks(datapath)
            try await devices.swap()
            throw error
        }
    }

    private func rename(_ path: FilePath, to target: FilePath) throws(BPFError) {
        let status = path.withPlatformString { old in target.withPlatformString { Glibc.rename(old, $0) } }
        guard status == 0 else { throw BPFError(.pin, "\(path) as \(target)", Errno(rawValue: errno)) }
    }
}
