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

    /// What is known of who may ask.
    private struct Place {
        var own: [IPAddress] = []
        var podNetworks: [CIDR] = []
        var podCIDRs: [CIDR] = []
        var nodeAddresses: [IPAddress] = []

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

    func service(log: Logger) -> any ServiceLifecycle.Service {
        let servers = NameServerSettings(bind: settings.bind, forwards: settings.upstream != [])
        return NameServer(
            servers, table: table, admission: admission, board: board, upstream: upstream, log: log)
    }

    /// Who is asked for other names: what was set, or what resolv.conf says now.
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
