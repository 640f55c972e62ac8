import BPFLoader
import CDatapath
import Logging
import Netlink
package import NodeNetwork
import ServiceMaps
package import ServiceModel
import Settings
import SystemCalls

/// Keeps the programs at tc on the devices that are wanted, as devices, addresses and routes come and go.
package actor DeviceKeeper {
    var programs: DevicePrograms
    /// While maps grow: the programs on larger maps and, once those are swapped in, the programs before them.
    var spare: DevicePrograms?
    /// The larger maps are not yet where a program that is loaded now would look for them.
    var isSwapping = false
    private let attachments: DeviceAttachments
    let settings: PacketSettings
    private let localTraffic: LocalTrafficSettings
    let nodeName: String
    let log: Logger
    var network = NetworkSnapshot()
    var node = NodeFacts()
    /// What leads to the endpoints of Services; a second old at most.
    var endpoints = EndpointDevices()
    /// What connections of the node use, as far as it could be read.
    var localPorts: LocalPorts?
    /// What the maps about the node were last given.
    var told = NodeMapEntries()
    /// Nil until it was looked at what an earlier process has left.
    private var kept: Set<NetworkDevice>?
    private(set) var devices: [Device] = []
    /// What was chosen last, by an earlier process at first: flows go on there.
    private var roles: [LinkIndex: DeviceSelection.Role] = [:]
    var findings: [ForwardingSettings.Finding] = []
    /// Why what was found was not put right, by what was found.
    var refusals: [ForwardingSettings.Finding: NetworkError] = [:]
    /// Why there are no findings.
    var unreadable: String?
    private(set) var failures: [String: String] = [:]
    /// Those that the log has told of.
    private var toldFailures: [String: String] = [:]
    /// Nothing is attached yet: the maps do not hold all that those programs serve which are there.
    private var isHeld: Bool

    /// - Parameter isHeld: attach nothing before `release`.
    init(
        _ programs: PacketDatapath.Settings, _ settings: InstallSettings, isHeld: Bool = false, log: Logger
    ) throws {
        self.isHeld = isHeld
        self.programs = DevicePrograms(settings: programs)
        attachments = DeviceAttachments(
            directory: programs.pins.devices, features: try KernelFeatures.probe(), prefix: "swl_")
        self.settings = settings.packets
        localTraffic = settings.localTraffic
        nodeName = settings.nodeName
        self.log = log
    }

    /// - Parameter cluster: whose endpoints say what devices lead to; nil if they are told a moment later.
    package func follow(_ network: NetworkSnapshot, _ cluster: ClusterState? = nil) {
        self.network = network
        if let cluster { endpoints = devices(towards: cluster) }
        reconcile()
    }

    /// Looks anew at what leads to endpoints. It asks for the route to each, so it is not done at each change.
    ///
    /// - Returns: how long the look took, without what follows from it.
    @discardableResult
    package func follow(_ cluster: ClusterState) -> Duration {
        let before = endpoints
        let look = ContinuousClock().measure { endpoints = devices(towards: cluster) }
        if before.choosesLike(endpoints) { return look }
        if !network.links.isEmpty { reconcile() }
        return look
    }

    package func follow(_ node: NodeFacts) {
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

    /// Attaches again what was removed, and tries again what failed.
    ///
    /// - Parameter hasChanged: something about our pins.
    func lookAgain(hasChanged: Bool) {
        let isLacking = (kept ?? []).contains { device in
            TrafficDirection.allCases.contains { (try? attachments.attached(to: device, $0)) == nil }
        }
        if hasChanged || isLacking || !failures.isEmpty { return reconcile() }
        // The kernel does not notify of changed settings.
        if readLocalPorts() { writeNode() }
    }

    /// Takes over the links to devices that another version of the maps has pinned.
    func adopt(from others: [DatapathPins], reached: @Sendable (String) -> Void) throws {
        for other in others {
            for path in try attachments.adopt(from: other.devices, reached: reached) {
                log.warning("a file in our directory is not ours: left alone", metadata: ["file": "\(path)"])
            }
        }
    }

    /// From now on devices are served.
    func release() { isHeld = false }

    func reconcile() {
        // Without pins the links that are there would not be found; they are pinned again first.
        if isHeld || isSwapping || !programs.settings.pins.maps.exists { return }
        failures = [:]
        defer { toldFailures = failures }
        // Without what an earlier process chose nothing is let go: this is tried again.
        guard kept != nil || attempt("map of devices", { roles = try rolesBefore() }) else { return }
        let selection = selection
        roles = [:]
        for device in selection.chosen { roles[device.link.index] = device.role }
        let wanted = Set(selection.chosen.map { NetworkDevice($0.link) })
        for kind in Set(selection.chosen.map(kind)) where programs.loaded[kind] == nil { load(kind) }
        // Before a program runs on a device, the map says what lies behind it.
        _ = readLocalPorts()
        writeNode(selection)
        for device in selection.chosen { keep(device) }
        var keeping = wanted
        for device in (kept ?? attached).subtracting(keeping)
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

    /// What an earlier process chose by itself, and this one may: what is named is as it is named now.
    private func rolesBefore() throws(BPFError) -> [LinkIndex: DeviceSelection.Role] {
        guard let map = try programs.settings.pins.openIfPinned(ServiceMap.devices.rawValue) else { return [:] }
        let present = Set(attached.map(\.index))
        let findsOutside = settings.devices != .none && settings.devices.patterns.included.isEmpty
        var roles: [LinkIndex: DeviceSelection.Role] = [:]
        for entry in try map.entries(key: UInt32.self, value: device.self) where present.contains(entry.key) {
            guard let role = DeviceSelection.Role(entry.value.role) else { continue }
            let isFound = role == .pods ? settings.podInterfaces.isAutomatic : findsOutside
            if isFound { roles[LinkIndex(rawValue: entry.key)] = role }
        }
        return roles
    }

    var selection: DeviceSelection {
        let named = settings.devices.patterns
        let selection = DeviceSelection(
            of: network, nodeAddresses: node.addresses, endpoints: endpoints, named: named,
            podInterfaces: settings.podInterfaces.patterns, findsPods: settings.podInterfaces.isAutomatic,
            before: roles)
        return settings.devices == .none ? selection.withoutOutside : selection
    }

    /// Tells the cluster's pods from other clients.
    var detector: LocalTraffic { localTraffic.detector(podCIDRs: node.podCIDRs) }

    private func kind(of device: DeviceSelection.Device) -> PacketDatapath.Kind {
        // The packets of a bridge's port come from the bridge, as seen above the link layer.
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
            log.info("loaded programs at tc", metadata: ["duration": "\((ContinuousClock.now - start).roundedText)"])
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

    /// Says what the node is to those programs that are loaded, all of which use the same maps.
    private func writeNode(_ selection: DeviceSelection? = nil) {
        guard let any = programs.loaded.values.first else { return }
        let chosen = (selection ?? self.selection).chosen
        let sources = network.sources(by: chosen.map(\.link.index))
        attempt("map of devices") { try any.write(entries(for: chosen, sources)) }
        attempt("maps about the node") {
            let entries = nodeEntries(sources)
            try any.write(entries)
            told = entries
        }
    }

    private func report(_ device: DeviceSelection.Device) -> Device {
        let place = NetworkDevice(device.link)
        var foreign = device.link.xdpProgram.map { ["XDP program \($0) before us"] } ?? []
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
        return Device(
            name: device.link.name, role: device.role?.rawValue, reason: "\(device.reason)",
            kind: device.role == nil ? nil : attachments.kind.rawValue, foreign: foreign)
    }
}

extension DeviceProgram {
    /// Its name; without CAP_SYS_ADMIN the number under which `bpftool prog` shows it.
    fileprivate var shown: String { name ?? id.map { "program \($0)" } ?? "a filter" }
}

extension NetworkDevice {
    init(_ link: NetworkLink) { self.init(index: link.index.rawValue, name: link.name) }
}
