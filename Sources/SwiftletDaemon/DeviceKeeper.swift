import BPFLoader
import CDatapath
import KubernetesObjects
import Logging
import Netlink
import NodeNetwork
import ServiceMaps
import ServiceModel

/// Keeps the programs at tc on the devices that are wanted, as devices, addresses and routes come and go.
actor DeviceKeeper {
    private var programs: DevicePrograms
    /// While maps grow: the programs on larger maps and, once those are swapped in, the programs before them.
    private var spare: DevicePrograms?
    /// The larger maps are not yet where a program that is loaded now would look for them.
    private var isSwapping = false
    private let attachments: DeviceAttachments
    private let settings: PacketSettings
    private let localTraffic: LocalTrafficSettings
    private let log: Logger
    private var network = NetworkSnapshot()
    private var node = NodeFacts()
    /// Nil until it was looked at what an earlier process has left.
    private var kept: Set<NetworkDevice>?
    private var devices: [DaemonReport.Device] = []
    private var findings: [ForwardingSettings.Finding] = []
    /// Why what was found was not put right, by what was found.
    private var refusals: [ForwardingSettings.Finding: NetworkError] = [:]
    /// Why there are no findings.
    private var unreadable: String?
    private var failures: [String: String] = [:]
    /// Those that the log has told of.
    private var toldFailures: [String: String] = [:]
    /// Nothing is attached yet: the maps do not hold all that those programs serve which are there.
    private var isHeld: Bool

    /// - Parameter isHeld: attach nothing before `release`.
    init(
        _ programs: PacketDatapath.Settings, _ configuration: Configuration, isHeld: Bool = false, log: Logger
    ) throws {
        self.isHeld = isHeld
        self.programs = DevicePrograms(settings: programs)
        attachments = DeviceAttachments(
            directory: programs.pins.devices, features: try KernelFeatures.probe(), prefix: "swl_")
        settings = configuration.packets
        localTraffic = configuration.node.localTraffic
        self.log = log
    }

    func follow(_ network: NetworkSnapshot) {
        self.network = network
        reconcile()
    }

    func follow(_ node: NodeFacts) {
        guard node != self.node else { return }
        // Ranges are part of a program when it is loaded.
        if localTraffic.detector(podCIDRs: node.podCIDRs) != detector {
            programs.loaded = [:]
            spare?.loaded = [:]
        }
        self.node = node
        // Without a device there is nothing to decide, and nothing to take away.
        if !network.links.isEmpty { reconcile() }
    }

    /// Attaches again what somebody has removed, and tries again what failed.
    ///
    /// - Parameter hasChanged: something about our pins.
    func lookAgain(hasChanged: Bool) {
        let isLacking = (kept ?? []).contains { device in
            TrafficDirection.allCases.contains { (try? attachments.attached(to: device, $0)) == nil }
        }
        if hasChanged || isLacking || !failures.isEmpty { reconcile() }
    }

    /// Takes over the links to devices that another version of the maps has pinned.
    func adopt(from others: [DatapathPins], reached: @Sendable (String) -> Void) throws {
        for other in others {
            for path in try attachments.adopt(from: other.devices, reached: reached) {
                log.warning("a file in our directory is not ours: left alone", metadata: ["file": "\(path)"])
            }
        }
    }

    /// What `status` shows.
    struct Report: Sendable {
        var devices: [DaemonReport.Device]
        var problems: [String]
        var risks: [String]
    }

    /// Of the moment: the kernel does not tell when somebody changes a setting.
    var report: Report {
        let selection = selection
        look(selection)
        // Where no packet is translated none needs to be forwarded for us.
        let shown = selection.chosen.isEmpty ? [] : findings.map { SettingAdvice($0, refused: refusals[$0]) }
        return Report(
            devices: devices,
            problems: failures.values.sorted() + [unreadable].compactMap { $0 }
                + shown.filter { $0.severity == .problem }.map(\.text),
            risks: shown.filter { $0.severity == .risk }.map(\.text))
    }

    /// From now on devices are served.
    func release() { isHeld = false }

    private func reconcile() {
        // Without pins the links that are there would not be found; they are pinned again first.
        if isHeld || isSwapping || !programs.settings.pins.maps.exists { return }
        let selection = selection
        let wanted = Set(selection.chosen.map { NetworkDevice($0.link) })
        failures = [:]
        for kind in Set(selection.chosen.map(kind)) where programs.loaded[kind] == nil { load(kind) }
        // Before a program runs on a device, the map says what lies behind it.
        if let any = programs.loaded.values.first {
            attempt("map of devices") { try any.write(entries(for: selection)) }
        }
        for device in selection.chosen { keep(device) }
        var keeping = wanted
        for device in (kept ?? attached).subtracting(wanted)
        where network.link(LinkIndex(rawValue: device.index)) != nil {
            if attempt(device.name, { try attachments.detach(from: device) }) {
                log.info("took the programs off a device", metadata: ["device": "\(device.name)"])
            } else {
                // The next change of the network is another try.
                keeping.insert(device)
            }
        }
        attempt("devices that went away") { try attachments.forgetVanished() }
        kept = keeping
        toldFailures = failures
        check(selection)
        devices = selection.devices.map(report)
    }

    /// The devices that have programs of ours, or may have some: to look may fail, and then to take them off says why.
    private var attached: Set<NetworkDevice> {
        Set(
            network.links.map(NetworkDevice.init).filter { device in
                TrafficDirection.allCases.contains { direction in
                    do { return try attachments.attached(to: device, direction) != nil } catch { return true }
                }
            })
    }

    private var selection: DeviceSelection {
        let named = settings.devices.patterns
        let selection = DeviceSelection(
            of: network, nodeAddresses: node.addresses, named: named, podInterfaces: settings.podInterfaces)
        return settings.devices == .none ? selection.withoutOutside : selection
    }

    /// Tells the cluster's pods from other clients.
    private var detector: LocalTraffic { localTraffic.detector(podCIDRs: node.podCIDRs) }

    private func kind(of device: DeviceSelection.Device) -> PacketDatapath.Kind {
        // The packets of a bridge's port come from the bridge, for whoever looks at them above the link layer.
        let names = [device.link.name, device.link.master.flatMap { network.link($0)?.name }].compactMap { $0 }
        return PacketDatapath.Kind(
            leadsToPods: device.role == .pods,
            isInside: device.role == .outside && names.contains(where: detector.includes(device:)),
            hasEthernetHeader: device.link.hasEthernetHeader)
    }

    private func load(_ kind: PacketDatapath.Kind) {
        attempt("programs at tc") {
            let start = ContinuousClock.now
            try programs.load(kind, detector)
            log.info("loaded programs at tc", metadata: ["duration": "\(Daemon.text(ContinuousClock.now - start))"])
        }
    }

    private func keep(_ device: DeviceSelection.Device) {
        guard let datapath = programs.loaded[kind(of: device)] else { return }
        let place = NetworkDevice(device.link)
        attempt(place.name) {
            let changes = try datapath.attach(to: place, with: attachments)
            guard changes.contains(where: { $0 != .none }) else { return }
            log.info(
                "attached to a device",
                metadata: [
                    "device": "\(place.name)", "reason": "\(device.reason)", "by": "\(attachments.kind.rawValue)",
                ])
        }
    }

    /// - Returns: whether it went well. If it did not, that is said.
    @discardableResult
    private func attempt(_ subject: String, _ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            failures[subject] = "\(error)"
            if toldFailures[subject] != "\(error)" {
                log.error("a device is not served", metadata: ["device": "\(subject)", "cause": "\(error)"])
            }
            return false
        }
    }

    /// The node's addresses towards each chosen device, and towards all others.
    private func entries(for selection: DeviceSelection) -> [UInt32: device] {
        var entries: [UInt32: device] = [:]
        for chosen in selection.chosen { entries[chosen.link.index.rawValue] = entry(for: chosen.link) }
        entries[UInt32(LB_ANY_DEVICE)] = entry(for: nil)
        return entries
    }

    private func entry(for link: NetworkLink?) -> device {
        var entry = device()
        entry.mtu = link?.mtu ?? 0
        if let address = source(.v4, on: link) { copy(address.bytes, into: &entry.address4) }
        if let address = source(.v6, on: link) { copy(address.bytes, into: &entry.address6) }
        return entry
    }

    /// The device's first address, or else the node's: what the kernel would choose for a packet that leaves there.
    private func source(_ family: IPFamily, on link: NetworkLink?) -> IPAddress? {
        let candidates = network.addresses.filter { entry in
            entry.family == family && entry.isUsable && !entry.isDeprecated && entry.scope == .global
                && !entry.address.isLinkLocal
        }
        let own = candidates.first { $0.link == link?.index && !$0.isSecondary }
        let primary = candidates.first { node.addresses.contains($0.address) }
        let routed = candidates.first { candidate in
            network.defaultRoutes.contains { $0.link == candidate.link && $0.family == family }
        }
        return (own ?? primary ?? routed ?? candidates.first)?.address
    }

    /// Looks whether the kernel is told to forward, and tells it if that is wanted.
    private func check(_ selection: DeviceSelection) {
        look(selection)
        guard settings.setsSysctls else { return }
        for finding in findings { set(finding) }
        look(selection)
    }

    private func look(_ selection: DeviceSelection) {
        do {
            findings = try ForwardingSettings().findings(for: selection, in: network, .init(network))
            unreadable = nil
        } catch {
            unreadable = "cannot look at the settings for forwarding: \(error)"
        }
    }

    private func set(_ finding: ForwardingSettings.Finding) {
        do {
            try ForwardingSettings().set(finding)
        } catch {
            // The kernel, or the sandbox, will not allow it the next time either.
            if refusals.updateValue(error, forKey: finding) == nil {
                let advice = SettingAdvice(finding, refused: error)
                log.error("a setting of the kernel stays as it is", metadata: ["cause": "\(advice.text)"])
            }
            return
        }
        log.notice(
            "changed a setting of the kernel",
            metadata: [
                "setting": "\(finding.setting.name)", "from": "\(finding.value)", "to": "\(finding.wanted)",
            ])
    }

    private func report(_ device: DeviceSelection.Device) -> DaemonReport.Device {
        let place = NetworkDevice(device.link)
        var foreign: [String] = []
        if device.role != nil {
            for direction in TrafficDirection.allCases {
                let programs = (try? DeviceQuery.programs(on: place, direction)) ?? []
                guard let own = try? attachments.attached(to: place, direction)?.id,
                    let around = programs.around(own)
                else { continue }
                foreign += around.before.map { "\($0.shown) before us at \(direction)" }
                foreign += around.behind.map { "\($0.shown) behind us at \(direction)" }
            }
        }
        return DaemonReport.Device(
            name: device.link.name, role: device.role?.rawValue, reason: "\(device.reason)",
            kind: device.role == nil ? nil : attachments.kind.rawValue, foreign: foreign)
    }
}

// MARK: - More room

extension DeviceKeeper {
    /// Loads the programs once more, on larger maps.
    func prepare(pins: DatapathPins, capacities: MapCapacities) throws {
        var next = DevicePrograms(settings: programs.settings)
        (next.settings.pins, next.settings.capacities) = (pins, capacities)
        for kind in programs.loaded.keys { try next.load(kind, detector) }
        spare = next
    }

    /// Puts what was prepared in the place of what is attached. If a device refuses that was served before, all of them
    /// get back what they had.
    func swap() throws {
        let failuresBefore = failures
        exchange()
        guard let failure = failures.first(where: { failuresBefore[$0.key] == nil }) else {
            isSwapping = true
            return
        }
        swapBack()
        throw ConfigurationError("\(failure.key) keeps its programs: \(failure.value)")
    }

    /// Puts back what was there.
    func swapBack() {
        isSwapping = false
        exchange()
        spare = nil
    }

    /// The larger maps are in their place: what changed meanwhile has its turn.
    func settle(on pins: DatapathPins) {
        programs.settings.pins = pins
        spare = nil
        isSwapping = false
        reconcile()
    }

    private func exchange() {
        guard let next = spare else { return }
        (programs, spare) = (next, programs)
        reconcile()
    }
}

/// The programs for each kind of device, and what they are loaded with.
private struct DevicePrograms {
    var settings: PacketDatapath.Settings
    var loaded: [PacketDatapath.Kind: PacketDatapath] = [:]

    mutating func load(_ kind: PacketDatapath.Kind, _ localTraffic: LocalTraffic) throws(BPFError) {
        loaded[kind] = try PacketDatapath(kind, settings.telling(localTraffic, kind))
    }
}

extension DeviceProgram {
    /// Its name; without CAP_SYS_ADMIN the number under which `bpftool prog` shows it.
    fileprivate var shown: String { name ?? id.map { "program \($0)" } ?? "a filter" }
}

/// What the Node object says that matters at tc.
struct NodeFacts: Sendable, Hashable {
    var addresses: Set<IPAddress> = []
    /// The ranges of the node's own pods.
    var podCIDRs: [CIDR] = []
}

extension StateBatch {
    /// The Node object of this name, if the batch has it.
    func node(named name: String) -> Node? {
        events.lazy.compactMap { if case .node(let node) = $0, node.name == name { node } else { nil } }.first
    }
}

extension NodeFacts {
    init(_ node: Node?) { self.init(addresses: Set(node?.addresses ?? []), podCIDRs: node?.podCIDRs ?? []) }
}

extension NetworkDevice {
    init(_ link: NetworkLink) { self.init(index: link.index.rawValue, name: link.name) }
}

/// What to do about a setting of the kernel.
struct SettingAdvice: Sendable, Hashable {
    let severity: ForwardingSettings.Finding.Severity
    /// What happened, to what, and what to do.
    let text: String

    /// - Parameter error: why the setting could not be changed, if that was tried.
    init(_ finding: ForwardingSettings.Finding, refused error: NetworkError?) {
        severity = finding.severity
        let remedy =
            error.map { "\($0); let root run `swiftlet prepare --set-sysctls`" }
            ?? "set it to \(finding.wanted), or run with --set-sysctls"
        text = "\(finding.state): \(finding.effect); \(remedy)"
    }
}
