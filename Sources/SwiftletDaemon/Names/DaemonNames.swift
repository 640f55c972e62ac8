import DNSMessage
import Logging
import NameServer
import NodeNetwork
import ServiceLifecycle
import ServiceModel
import ServiceNames
import Settings
import Synchronization

/// Names of Services by DNS: what the control plane tells of them, and the server that answers.
final class DaemonNames: Sendable {
    let table: NameTable
    let board = NameServerBoard()
    private let settings: NameSettings
    private let admission: Admission
    private let place = Mutex(Place())

    /// What decides which clients may ask.
    private struct Place {
        var own: [IPAddress] = []
        var podNetworks: [CIDR] = []
        var podCIDRs: [CIDR] = []
        var nodeAddresses: [IPAddress] = []
        /// Those of the node's devices; nil before they are read.
        var present: Set<IPAddress>?

        /// The node's own network may lie behind such a device, too.
        var networks: [CIDR] {
            podNetworks.filter { network in !nodeAddresses.contains { network.contains($0) } } + podCIDRs
        }
    }

    /// Nil when no names are asked for.
    init?(_ settings: NameSettings) {
        guard settings.isOn, let domain = DomainName(settings.domain) else { return nil }
        self.settings = settings
        table = NameTable(
            .init(
                domain: domain, timeToLive: settings.timeToLive,
                serverAddresses: settings.serviceIPs.isEmpty
                    ? settings.bind.map(\.address).filter { !$0.isLoopback } : settings.serviceIPs))
        admission = Admission(allowed: settings.allowed)
    }

    /// Answers from now on; what is returned keeps it so when it runs.
    func start(log: Logger) async -> any ServiceLifecycle.Service {
        let servers = NameServerSettings(bind: settings.bind, forwards: settings.upstream != [])
        return await NameServer(
            servers, table: table, admission: admission, board: board, upstream: upstream, log: log
        ).start()
    }

    /// The servers for other names: those that were set, or those of resolv.conf as it is now.
    private var upstream: @Sendable () -> [NameServerSettings.Address] {
        { [settings] in
            settings.upstream
                ?? ResolverFile.servers(
                    in: ResolverFile.text() ?? "",
                    except: settings.bind + settings.serviceIPs.map { NameServerSettings.Address($0) })
        }
    }

    /// Follows the addresses and routes of the node.
    func follow(_ network: NetworkSnapshot) {
        admit { place in
            place.own = network.usableAddresses
            place.present = Set(network.usableAddresses)
            place.podNetworks = network.podRoutes
        }
    }

    /// Follows the Node object, which says where the node's pods are, and what is the node's own network.
    func follow(_ node: Node) {
        admit { place in
            place.podCIDRs = node.podCIDRs
            place.nodeAddresses = node.addresses
        }
    }

    /// Why names are not answered somewhere; sorted. An address that the node had when it was bound, and has no more, is told
    /// here: its sockets do not notice.
    var problems: [String] {
        var problems = board.problems
        let present = place.withLock { $0.present }
        for address in settings.bind where !address.address.isLoopback && present?.contains(address.address) == false {
            problems[address] =
                problems[address]
                ?? "cannot answer DNS on \(address): the node has lost the address; give it back, or check --dns-bind"
        }
        return problems.values.sorted()
    }

    func admits(_ client: IPAddress) -> Bool { admission.admits(client) }

    private func admit(_ change: (inout Place) -> Void) {
        let place = place.withLock { place in
            change(&place)
            return place
        }
        admission.set(own: place.own, networks: place.networks)
    }

    var report: DaemonReport.Names {
        DaemonReport.Names(
            domain: settings.domain, addresses: settings.bind.map(\.description),
            serviceIPs: settings.serviceIPs.map(\.description), services: table.count,
            upstream: board.upstream.map(\.description))
    }

    /// What was answered at one moment, for the next process.
    struct Version: Sendable {
        /// By what one version is told from another.
        struct Mark: Sendable, Equatable {
            fileprivate var serial: UInt32
            fileprivate var nodeAddresses: [IPAddress]
            fileprivate var podCIDRs: [CIDR]
        }

        let mark: Mark
        fileprivate let zone: ServiceZone

        func image(_ origin: String) -> ZoneImage {
            ZoneImage(
                origin: origin, nodeAddresses: mark.nodeAddresses, podCIDRs: mark.podCIDRs, entries: zone.entries)
        }
    }

    /// Nil until all names are known.
    var version: Version? {
        guard let zone = table.completeZone else { return nil }
        let place = place.withLock { $0 }
        return Version(
            mark: .init(serial: zone.serial, nodeAddresses: place.nodeAddresses, podCIDRs: place.podCIDRs), zone: zone)
    }

    /// Takes what was answered before, until the Services are read.
    func recall(_ image: ZoneImage) {
        admit { place in
            place.podCIDRs = image.podCIDRs
            place.nodeAddresses = image.nodeAddresses
        }
        table.update(image.entries.map { ($0.name, $0.records) }, isComplete: true)
    }

    /// The part of the metrics.
    var statistics: NameStatistics {
        let remembered = board.remembered
        return NameStatistics(
            responses: Dictionary(
                uniqueKeysWithValues: NameServerCounters.Event.allCases.map { ($0.word, board.counters[$0]) }),
            services: table.count, rememberedAnswers: remembered.answers, rememberedBytes: remembered.bytes)
    }
}

/// What the name server did.
struct NameStatistics: Sendable {
    /// By what became of the question.
    var responses: [String: UInt64] = [:]
    var services = 0
    var rememberedAnswers = 0
    var rememberedBytes = 0
}
