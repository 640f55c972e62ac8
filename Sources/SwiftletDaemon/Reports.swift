package import DatapathInstall
package import FoundationEssentials
import ServiceModel
package import Settings

/// What a running daemon says of itself: the part of `swiftlet status` that the kernel does not know.
package struct DaemonReport: Codable, Sendable {
    package var pid: Int32
    package var version: String
    package var nodeName: String
    package var kubeProxyReplacement: Bool
    package var cgroupRoot: String
    /// `--socket-lb`; nil from an older daemon.
    package var socketLB: String?
    package var startedAt: Date
    package var sources: [String]
    /// Of the API server's resources; none when manifests are followed.
    package var watches: [Watch]
    package var lastEventAt: Date?
    package var nodePortAddresses: [String]
    /// The node's devices, and what became of each at tc.
    package var devices: [Device]
    /// How packets of Services go on; nil when none is translated, or a daemon before this one says nothing of it.
    package var packets: Packets?
    /// Nil when nothing is programmed.
    package var sockets: SocketDestroyReport?
    /// Nil when no sockets of some cgroups are left to the packets.
    package var leftCgroups: LeftCgroups.Report?
    package var desired: Totals
    package var programmed: Totals
    /// Service ports that are not in the maps as they should be: which, and why.
    package var pending: [String]
    /// Manifests and objects that were refused, and addresses that two Services claim.
    package var problems: [String]
    /// Settings of the kernel that may be in the way of packets, parts of objects that are left out, and what is probably not
    /// meant as it is written, with what to do; they are no complaint.
    package var risks: [String]
    package var rights: Rights
    /// In force for flows at tc.
    package var flowTimeouts: FlowTimeouts
    package var residentBytes: Int
    /// Service ports that refuse or drop because they have no backend; nil of a daemon that does not count them.
    package var withoutBackends: Int?
    /// The first few of them by name; nil of a daemon that does not tell.
    package var firstWithoutBackends: [Empty]?
    /// Services with such a port, by the kind of the reason.
    package var emptyServices: [String: Int]?

    /// Connects of TCP pass the hooks untouched.
    var leavesTCPToPackets: Bool {
        socketLB.flatMap(SocketService.init(rawValue:)).map { !$0.serves(.tcp) } ?? false
    }

    /// What the daemon that runs on these pins says of itself; nil when none answers.
    package static func ask(_ pins: DatapathPins) -> DaemonReport? {
        ControlClient.ask(.status, at: RunDirectory(bpfRoot: pins.root))
            .flatMap { try? ReportCoding.decoder().decode(DaemonReport.self, from: $0) }
    }

    /// Names of Services by DNS, for as long as this process runs; nil when they are not asked for.
    package var names: Names?

    package typealias Device = DeviceKeeper.Device
    package typealias Packets = DeviceKeeper.Packets

    /// What became of a resource of the API.
    package struct Watch: Codable, Sendable, Hashable {
        /// `services`, `endpointslices`, `nodes`.
        package var resource: String
        /// The API server that is watched; nil while none is.
        package var url: String?
        package var since: Date?
        /// When it was lost; nil while it is watched, and before the first attempt has failed.
        package var lostSince: Date?
        package var objects: Int
        package var events: Int
        package var lists: Int
        /// Watches that ended before their time, by reason.
        package var restarts: [String: Int]
        package var lastError: String?
    }

    /// What the name server serves.
    package struct Names: Codable, Sendable, Hashable {
        package var domain: String
        /// Where it listens.
        package var addresses: [String]
        /// VIPs that lead there.
        package var serviceIPs: [String]
        /// Services that have names.
        package var services: Int
        /// The servers that are asked for other names.
        package var upstream: [String]
    }

    /// How much there is of what.
    package struct Totals: Codable, Sendable, Hashable {
        package var services = 0
        package var servicePorts = 0
        package var frontends = 0
        package var backends = 0

        package init() {}
    }
}

extension DaemonReport {
    /// A service port without a backend.
    package struct Empty: Codable, Sendable {
        package var namespace: String
        package var name: String
        /// Empty for the only port of a Service.
        package var port: String
        package var reason: String
        package var reasonCode: String?
    }
}

/// What a running daemon knows of a Service beyond the maps: the part of `swiftlet services` that explains.
package struct ServiceReport: Codable, Sendable {
    package struct Port: Codable, Sendable {
        package var name: String
        package var `protocol`: String
        package var family: Int
        /// Why it has no backend; nil when it has one.
        package var reason: String?
        /// The reason's code, of `swiftlet help reasons`.
        package var reasonCode: String?
        /// What to know of one that has backends: clients that get none, or endpoints that are its last.
        package var remark: String?
        package var remarkCode: String?
        /// Those of the Service's problems that are about addresses of this port and family.
        package var addressProblems: [String]?
    }

    package var namespace: String
    package var name: String
    package var type: String
    package var externalPolicy: String?
    package var internalPolicy: String?
    /// Why it is rightly not programmed: headless, ExternalName, another proxy's; nil when it is.
    package var leftAlone: String?
    package var leftAloneCode: String?
    package var ports: [Port]
    package var problems: [String]
}

/// The one way in which reports become JSON: sorted keys, ISO 8601 dates.
package enum ReportCoding {
    package static func encoder(pretty: Bool = false) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.dateEncodingStrategy = .iso8601
        return encoder
    }

    package static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }
}
