/// What was seen of the node beside the objects; nil for what was not looked at.
package struct ExplainFacts: Codable, Sendable, Hashable {
    /// What the kernel's maps hold of the frontend that was asked for.
    package struct Maps: Codable, Sendable, Hashable {
        package var isProgrammed: Bool
        /// `frontend 17, 1 slot`, or what differs.
        package var text: String
        /// Why the daemon could not write it, and perhaps what to do: `backends4 is full (4); raise --map-memory-limit`.
        package var pending: String?

        package init(isProgrammed: Bool, text: String, pending: String? = nil) {
            self.isProgrammed = isProgrammed
            self.text = text
            self.pending = pending
        }
    }

    /// What came of one connect to an endpoint.
    package enum Connect: String, Codable, Sendable, Hashable {
        case works, refused, timedOut, noRoute, notPermitted
        /// A route says so: `prohibit`, `blackhole`, `unreachable`.
        case prohibited, blackholed, unreachable
        case noClientPort
        /// No route for what comes by the client's device, though the node itself has one.
        case noWayFromDevice
    }

    package struct Filter: Codable, Sendable, Hashable {
        /// `rule 5 of chain inet filter forward`.
        package var rule: String
        /// `inet filter forward`.
        package var chain: String

        /// The process in whose network namespace it is; nil for the node's.
        package var process: Int32?
        /// What it drops: the first packet passes.
        package var stage: PacketFilter.Stage?
        /// That network namespace is the endpoint's, not the client's.
        package var isOfEndpoint: Bool?

        package init(
            rule: String, chain: String, process: Int32? = nil, stage: PacketFilter.Stage? = nil,
            isOfEndpoint: Bool? = nil
        ) {
            self.rule = rule
            self.chain = chain
            self.process = process
            self.stage = stage
            self.isOfEndpoint = isOfEndpoint
        }

        /// ` in the client's network namespace`; nothing of the node's.
        package var place: String {
            if process == nil { return "" }
            return isOfEndpoint == true ? " in the endpoint's network namespace" : " in the client's network namespace"
        }

        /// What it drops, in words.
        package func packets(at socket: String) -> String {
            switch stage {
            case .first, nil: "packets to \(socket)"
            case .later: "what follows the first packet to \(socket)"
            case .answer: "the answers of \(socket)"
            }
        }

        /// What shows the chain.
        package var command: String {
            (process.map { "nsenter -t \($0) -n " } ?? "") + "nft -a list chain \(chain)"
        }
    }

    /// What closes the node's side of a pod's way to an endpoint.
    package struct Obstacle: Codable, Sendable, Hashable {
        package enum Fault: String, Codable, Sendable, Hashable {
            case deviceDown, notForwarding, reversePath, noWayOn, noWayBack
            /// For the answers, which come by the endpoint's device.
            case noWayForAnswers
            /// The endpoint's pod has none.
            case noWayFromEndpoint
        }

        package var fault: Fault
        /// The device of the node that packets come by.
        package var device: String
        /// The pod's address.
        package var client: String
        /// Where the route back leads: `eth0 via 192.0.2.254`.
        package var leadsBy: String?

        package init(fault: Fault, device: String, client: String, leadsBy: String? = nil) {
            self.fault = fault
            self.device = device
            self.client = client
            self.leadsBy = leadsBy
        }
    }

    /// The client is below the cgroup whose sockets are translated.
    package var isClientServed: Bool?
    package var servedCgroup: String?
    /// The cgroup of the client whose sockets are left to the packets.
    package var leftCgroup: String?
    /// What `--socket-lb` says.
    package var socketLB: String?
    /// The client is in the node's own network namespace.
    package var isClientOfNode: Bool?
    /// The source that its route to an endpoint gives it, where it is a process in another network namespace.
    package var clientSource: String?
    /// What of the node could not be looked at, and why.
    package var unseen: [String]?
    /// Its packets meet programs of ours.
    package var hasPacketPrograms: Bool?
    /// A device without programs that packets of the node's own processes leave by, or come back by.
    package var bareDevice: String?
    /// A route leads to the address that is asked, which packets need that are translated on a device.
    package var isAskedRouted: Bool?
    /// The address that is asked is on a device of this node, so that its own packets do not leave it.
    package var isAskedHere: Bool?
    /// The device that packets of a client outside come by.
    package var arrivalDevice: String?
    /// No route leads back to a client outside.
    package var hasNoWayBack: Bool?
    package var hooksAttached: Bool?
    /// Programs of others that the client's cgroup runs on what it sends: `sd_fw_egress (id 7) at egress`.
    package var cgroupPrograms: [String]?
    package var daemonRuns: Bool?
    /// The daemon programs nothing.
    package var onlyObserves: Bool?
    /// What the daemon says of a kernel that forwards no packets of the family that is asked.
    package var notForwarding: String?
    /// ClusterIPs serve no clients outside.
    package var closesClusterIPs: Bool?
    /// The device that packets of a client outside come in by, where it has no programs.
    package var deviceWithoutPrograms: String?
    package var maps: Maps?
    /// Of a kind of client only, where none is named: pods' packets meet no programs.
    package var podsMeetPrograms: Bool?
    /// A device that packets of a client outside need, and that is down.
    package var downDevice: String?
    /// A device that the route to an endpoint leads by, and that is up without a carrier.
    package var idleDevice: String?
    /// By endpoint: where there is no way to it.
    package var ways: [String: Connect]?
    /// By endpoint: what closes the node's side of the way of a client in a pod.
    package var obstacles: [String: Obstacle]?
    /// By endpoint: that the route to it is the default one, `eth0 via 192.0.2.254`.
    package var leadsOut: [String: String]?
    /// By endpoint: what of netfilter drops packets to it.
    package var filters: [String: Filter]?
    /// By endpoint: the rule that sends packets to it elsewhere.
    package var diversions: [String: Filter]?
    /// By endpoint: the listeners on its port in its pod, where they could be seen.
    package var listeners: [String: [Listeners.Listener]]?
    /// By endpoint: `10.244.0.11:8080`.
    package var connects: [String: Connect]?
    /// Where the connects were made: `in the client's network namespace`.
    package var connectPlace: String?

    package init() {}
}
