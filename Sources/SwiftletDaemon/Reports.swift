public import FoundationEssentials

/// What a running daemon says of itself: the part of `swiftlet status` that the kernel does not know.
public struct DaemonReport: Codable, Sendable {
    public var pid: Int32
    public var version: String
    public var nodeName: String
    public var kubeProxyReplacement: Bool
    public var cgroupRoot: String
    public var startedAt: Date
    public var sources: [String]
    /// Of the API server's resources; none when manifests are followed.
    public var watches: [Watch]
    public var lastEventAt: Date?
    public var nodePortAddresses: [String]
    /// The node's devices, and what became of each at tc.
    public var devices: [Device]
    /// How packets of Services go on; nil when none is translated, or a daemon before this one says nothing of it.
    public var packets: Packets?
    /// Nil when nothing is programmed.
    public var sockets: SocketDestroyReport?
    public var desired: Totals
    public var programmed: Totals
    /// Service ports that are not in the maps as they should be: which, and why.
    public var pending: [String]
    /// Manifests and objects that were refused, and addresses that two Services claim.
    public var problems: [String]
    /// Settings of the kernel that may be in the way of packets, parts of objects that are left out, and what is probably not
    /// meant as it is written, with what to do; they are no complaint.
    public var risks: [String]
    public var rights: Rights
    /// In force for flows at tc.
    public var flowTimeouts: FlowTimeouts
    public var residentBytes: Int

    /// A network device, and why it has programs or not.
    public struct Device: Codable, Sendable, Hashable {
        public var name: String
        /// `outside` or `pods`; nil when it is left alone.
        public var role: String?
        public var reason: String
        /// `tcx` or `clsact`.
        public var kind: String?
        /// Programs of others, and on which side of ours they run.
        public var foreign: [String]
    }

    /// How packets are translated on devices.
    public struct Packets: Codable, Sendable, Hashable {
        /// `stack` or `redirect`.
        public var forwarding: String
        /// Where flows with the node's address take their ports from: `1024-29999`.
        public var masqueradePorts: [String]
        /// Where nothing goes that got the node's address, because of an IPsec policy.
        public var closedRanges: [String]
    }

    /// What became of a resource of the API.
    public struct Watch: Codable, Sendable, Hashable {
        /// `services`, `endpointslices`, `nodes`.
        public var resource: String
        /// The API server that is watched; nil while none is.
        public var url: String?
        public var since: Date?
        public var objects: Int
        public var events: Int
        public var lists: Int
        /// Watches that ended before their time, by reason.
        public var restarts: [String: Int]
        public var lastError: String?
    }

    /// How much there is of what.
    public struct Totals: Codable, Sendable, Hashable {
        public var services = 0
        public var servicePorts = 0
        public var frontends = 0
        public var backends = 0

        public init() {}
    }
}

/// What a running daemon knows of a Service beyond the maps: the part of `swiftlet services` that explains.
public struct ServiceReport: Codable, Sendable {
    public struct Port: Codable, Sendable {
        public var name: String
        public var `protocol`: String
        public var family: Int
        /// Why it has no backend; nil when it has one.
        public var reason: String?
    }

    public var namespace: String
    public var name: String
    public var type: String
    public var externalPolicy: String
    public var internalPolicy: String
    /// Why it is rightly not programmed: headless, ExternalName, another proxy's; nil when it is.
    public var leftAlone: String?
    public var ports: [Port]
    public var problems: [String]
}

/// The one way in which reports become JSON: sorted keys, ISO 8601 dates.
public enum ReportCoding {
    public static func encoder(pretty: Bool = false) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = pretty ? [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes] : [.sortedKeys]
        encoder.dateEncodingStrategy = .iso8601
        return encoder
    }

    public static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }
}
