/// What `swiftlet compile` prints: the desired state of one node, with its reasons, for people and tools.
///
/// Every list is sorted, so equal clusters give equal reports. docs/compile.md describes the JSON; a change that
/// could surprise a reader of it raises `currentSchema`.
public struct CompileReport: Codable, Sendable, Hashable {
    public static let currentSchema = 1

    public var schema = CompileReport.currentSchema
    public var node: Node
    public var frontends: [Frontend]
    public var retainedBackends: [RetainedBackend]
    public var healthCheckNodePorts: [HealthCheckNodePort]
    public var leftAlone: [LeftAlone]
    public var conflicts: [Conflict]
    public var problems: [Problem]

    /// The node that was compiled for.
    public struct Node: Codable, Sendable, Hashable {
        public var name: String
        /// Absent where the Node object is, or its label.
        public var zone: String?
        public var nodePortAddresses: [NodePortAddress]
        public var primaryAddresses: [String]
        public var localTraffic: LocalTraffic
    }

    /// What tells the cluster's pods from other clients: one of these; an empty list tells nobody.
    public struct LocalTraffic: Codable, Sendable, Hashable {
        public var sources: [String]?
        public var bridge: String?
        public var devicePrefix: String?
    }

    public struct NodePortAddress: Codable, Sendable, Hashable {
        public var address: String
        public var hostOnly: Bool
    }

    /// What happens to those who ask for an address, a port and a protocol from a place.
    public struct Frontend: Codable, Sendable, Hashable {
        public var address: String
        public var port: Int
        public var `protocol`: String
        public var scope: Scope
        public var kind: String
        /// Which set of endpoints it takes: `Cluster` or `Local`.
        public var policy: String
        /// `namespace/name`.
        public var service: String
        /// Empty for the only port of a Service.
        public var servicePort: String
        public var action: String
        /// Why it refuses or drops; absent when it balances.
        public var reason: String?
        /// The set that this frontend takes, and nothing else.
        public var backends: [Backend]
        /// 0 without session affinity.
        public var affinitySeconds: UInt32
        public var masquerade: String
        /// Absent when everybody is admitted.
        public var sourceRanges: SourceRanges?
    }

    /// Where the clients are that a frontend is for.
    public enum Scope: String, Codable, Sendable, Hashable {
        case all
        /// On this node, pods included; others have a frontend of their own.
        case fromNode
        case fromOutside
        /// In the node's own network namespace.
        case hostOnly
    }

    public struct Backend: Codable, Sendable, Hashable {
        public var address: String
        public var port: Int
        /// On this node.
        public var local: Bool
        public var zone: String?
    }

    public struct SourceRanges: Codable, Sendable, Hashable {
        public var ranges: [String]
        public var admitsVIP: Bool
    }

    /// A backend that no frontend takes for new connections, while the flows that it has live on.
    public struct RetainedBackend: Codable, Sendable, Hashable {
        public var service: String
        public var servicePort: String
        public var `protocol`: String
        public var address: String
        public var port: Int
        public var terminating: Bool
    }

    public struct HealthCheckNodePort: Codable, Sendable, Hashable {
        public var service: String
        public var port: Int
        /// Ready endpoints on the node: the answer is 200 if there is one (spec 45).
        public var localEndpoints: Int
    }

    public struct LeftAlone: Codable, Sendable, Hashable {
        public var service: String
        public var reason: String
    }

    /// A frontend that a Service asks for and another one holds.
    public struct Conflict: Codable, Sendable, Hashable {
        public var service: String
        public var address: String
        public var port: Int
        public var `protocol`: String
        public var heldBy: String
    }

    /// Something in the manifests that cannot be used as it is written.
    public struct Problem: Codable, Sendable, Hashable {
        public var kind: String
        public var file: String
        public var document: Int?
        public var object: String?
        public var field: String?
        public var message: String
    }
}
