package import BPFLoader
import CDatapath
package import Logging
package import ServiceMaps
import ServiceModel
package import Settings
package import SystemPackage
import SystemCalls

/// The socket datapath in the kernel: loads the object onto its pinned maps and attaches its programs.
///
/// Everything is pinned. Dropping the value closes descriptors; the datapath works on.
package struct SocketDatapath: ~Copyable {
    package let pins: DatapathPins
    /// What both kinds of programs were told at load.
    let config: datapath_config
    private let object: LoadedBPFObject
    private let sockets: SocketService

    /// Loads the programs on the pinned maps, or on new ones where there are none.
    ///
    /// Maps that exist keep their size, whatever the capacities say: their entries are in use. The counters of
    /// backends are made anew when counting is switched on or off.
    ///
    /// - Parameter hasPodDevices: programs at tc may be on devices of pods.
    package init(
        build: DatapathBuild = .own, pins: DatapathPins, capacities: MapCapacities, features: KernelFeatures,
        hostNetnsCookie: UInt64?, sockets: SocketService = .full, hasPodDevices: Bool = false,
        atLeast sizes: [String: Int] = [:]
    ) throws(BPFError) {
        try BPFFileSystem.makeDirectories(pins.maps)
        try BPFFileSystem.makeDirectories(pins.links)
        var object = try build.object(features.has(.readableSockets) ? .castSockets : .sockets)
        try Self.prepare(&object, pins: pins, capacities: capacities, atLeast: sizes)
        var config = datapath_config(
            host_netns_cookie: hostNetnsCookie ?? 0,
            has_set_retval: features.has(.setReturnValueInSocketAddress) ? 1 : 0,
            has_multipath: features.has(.multipathSockets) ? 1 : 0, count_backends: capacities.countsBackends ? 1 : 0,
            host_only: sockets == .host ? 1 : 0, map_version: UInt32(build.version),
            only_protocol: sockets.protocolAlone?.rawValue ?? 0, has_pod_devices: hasPodDevices ? 1 : 0, pad: (0, 0),
            tick: 0, first_tick: 0)
        config.setTicks(try? TickClock.measure())
        try object.setInitialValue(of: ".rodata.config", to: config)
        let loaded = try object.load()
        self.pins = pins
        self.sockets = sockets
        self.config = config
        self.object = loaded
    }

    static func prepare(
        _ object: inout BPFObject, pins: DatapathPins, capacities: MapCapacities, atLeast sizes: [String: Int] = [:]
    ) throws(BPFError) {
        try renewBackendCounters(pins, capacities)
        // Others belong to one load: the programs' data, and what they note while they look at a packet.
        for name in object.mapNames {
            guard let map = ServiceMap(rawValue: name) else { continue }
            let path = pins.map(name)
            if let pinned = try pins.openIfPinned(name) {
                try object.setMaxEntries(of: name, to: pinned.maxEntries)
            } else if let wanted = capacities[map] {
                try object.setMaxEntries(of: name, to: max(Int(wanted), sizes[name] ?? 0))
            }
            try object.setPin(of: name, at: path)
        }
    }

    /// Unpins the counters of backends when counting is switched on or off, so that they are made anew with another
    /// size. They can be: other than all other maps they hold nothing but counts.
    private static func renewBackendCounters(
        _ pins: DatapathPins, _ capacities: MapCapacities
    ) throws(BPFError) {
        let name = ServiceMap.backendCounters.rawValue
        guard let pinned = try pins.openIfPinned(name), (pinned.maxEntries > 1) != capacities.countsBackends else {
            return
        }
        try unpin(pins.map(name))
    }

    /// How many programs the kernel verified.
    package var programCount: Int { object.programs.count }

    /// Makes every wanted hook of a cgroup run this object's program: a link that is pinned, by us or by another version,
    /// is updated in place, so that no call in between sees none; one of another or a removed cgroup is replaced.
    package func attach(
        to cgroup: FilePath, bindProtection: Bool, sourceCheck: Bool = false, takingOver others: [DatapathPins] = [],
        log: Logger? = nil,
        reached: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(BPFError) -> AttachSummary {
        let keeper = LinkKeeper(
            pins: pins, others: others, cgroup: cgroup, cgroupID: try CgroupFileSystem.id(of: cgroup), log: log,
            reached: reached)
        var summary = AttachSummary()
        for description in object.programs {
            guard let hook = CgroupAttachType(section: description.section) else { continue }
            guard wants(hook, bindProtection, sourceCheck) else {
                try unpin(pins.link(hook))
                continue
            }
            switch try keeper.attach(try object.program(named: description.name), as: hook) {
            case .attached: summary.attached += 1
            case .updated: summary.updated += 1
            }
        }
        return summary
    }
}

extension SocketDatapath {
    /// The wanted hooks whose links lead to nothing, to another cgroup, or are gone.
    func detachedHooks(
        from cgroup: FilePath, bindProtection: Bool, sourceCheck: Bool
    ) throws(BPFError) -> [CgroupAttachType] {
        let id = try CgroupFileSystem.id(of: cgroup)
        var detached: [CgroupAttachType] = []
        for description in object.programs {
            guard let hook = CgroupAttachType(section: description.section),
                wants(hook, bindProtection, sourceCheck)
            else { continue }
            let path = pins.link(hook)
            let found = path.exists ? try CgroupLink(pinnedAt: path).info.cgroupID : 0
            if found != id { detached.append(hook) }
        }
        return detached
    }

    private func wants(_ hook: CgroupAttachType, _ bindProtection: Bool, _ sourceCheck: Bool) -> Bool {
        if hook == DatapathPins.sourceCheck { return sourceCheck && sockets != .host && sockets != .off }
        return sockets != .off && (bindProtection || !hook.isBindProtection)
    }
}

/// What attaching did.
package struct AttachSummary: Sendable {
    package var attached = 0
    package var updated = 0
}

extension CgroupAttachType {
    /// Whether the hook only keeps listeners off NodePorts.
    var isBindProtection: Bool { self == .bind4 || self == .bind6 }
}

extension DatapathPins {
    /// The pinned map of this name; nil if there is none.
    package func openIfPinned(_ name: String) throws(BPFError) -> BPFMap? {
        do {
            return try BPFMap(pinnedAt: map(name))
        } catch {
            guard error.cause == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }
}
