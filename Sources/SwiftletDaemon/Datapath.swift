public import BPFLoader
import CDatapath
public import ServiceMaps
public import SystemPackage

/// The socket datapath in the kernel: loads the object onto its pinned maps and attaches its programs.
///
/// Everything is pinned. Dropping the value closes descriptors; the datapath works on.
public struct Datapath: ~Copyable {
    public let pins: DatapathPins
    private let object: LoadedBPFObject

    /// Loads the programs on the pinned maps, or on new ones where there are none.
    ///
    /// Maps that exist keep their size, whatever the capacities say: their entries are in use. The counters of
    /// backends are made anew when counting is switched on or off.
    public init(
        pins: DatapathPins, capacities: MapCapacities, features: KernelFeatures, hostNetnsCookie: UInt64?
    ) throws(BPFError) {
        self.pins = pins
        try BPFFileSystem.makeDirectories(pins.maps)
        try BPFFileSystem.makeDirectories(pins.links)
        let bytes = swiftlet_sock_object()
        var object = try BPFObject(
            name: "sock.bpf.o", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        try Self.prepare(&object, pins: pins, capacities: capacities)
        let config = datapath_config(
            host_netns_cookie: hostNetnsCookie ?? 0,
            has_set_retval: features.has(.setReturnValueInSocketAddress) ? 1 : 0,
            has_multipath: features.has(.multipathSockets) ? 1 : 0, count_backends: capacities.countsBackends ? 1 : 0,
            pad: (0, 0, 0, 0, 0))
        try object.setInitialValue(of: ".rodata.config", to: config)
        self.object = try object.load()
    }

    private static func prepare(
        _ object: inout BPFObject, pins: DatapathPins, capacities: MapCapacities
    ) throws(BPFError) {
        try renewBackendCounters(pins, capacities)
        for name in object.mapNames where !name.hasPrefix(".") {
            let path = pins.map(name)
            if let pinned = try pins.openIfPinned(name) {
                try object.setMaxEntries(of: name, to: pinned.maxEntries)
            } else if let map = ServiceMap(rawValue: name), let wanted = capacities[map] {
                try object.setMaxEntries(of: name, to: Int(wanted))
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
    public var programCount: Int { object.programs.count }

    /// Makes every wanted hook of a cgroup run this object's program: a link that is pinned is updated in place, so
    /// that no call in between sees none; one of another or a removed cgroup is replaced.
    public func attach(to cgroup: FilePath, bindProtection: Bool) throws(BPFError) -> AttachSummary {
        let cgroupID = try CgroupFileSystem.id(of: cgroup)
        var summary = AttachSummary()
        for description in object.programs {
            guard let hook = CgroupAttachType(section: description.section) else { continue }
            let path = pins.link(hook)
            guard bindProtection || !hook.isBindProtection else {
                try unpin(path)
                continue
            }
            let program = try object.program(named: description.name)
            if try Self.update(path, to: program, ifOn: cgroupID) {
                summary.updated += 1
                continue
            }
            try unpin(path)
            let link = try CgroupLink.attach(program, to: cgroup, as: hook)
            try link.pin(at: path)
            summary.attached += 1
        }
        return summary
    }

    private static func update(
        _ path: FilePath, to program: borrowing BPFProgram, ifOn cgroupID: UInt64
    ) throws(BPFError) -> Bool {
        let link: CgroupLink
        do {
            link = try CgroupLink(pinnedAt: path)
        } catch {
            guard error.cause == .noSuchFileOrDirectory else { throw error }
            return false
        }
        guard try link.info.cgroupID == cgroupID else { return false }
        try link.update(to: program)
        return true
    }
}

/// What attaching did.
public struct AttachSummary: Sendable {
    public var attached = 0
    public var updated = 0
}

extension CgroupAttachType {
    /// Whether the hook only keeps listeners off NodePorts.
    var isBindProtection: Bool { self == .postBind4 || self == .postBind6 }
}

extension DatapathPins {
    /// The pinned map of this name; nil if there is none.
    func openIfPinned(_ name: String) throws(BPFError) -> BPFMap? {
        do {
            return try BPFMap(pinnedAt: map(name))
        } catch {
            guard error.cause == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }
}
