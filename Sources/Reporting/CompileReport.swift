import ServiceModel

/// What `swiftlet compile` prints: the desired state of one node, with its reasons, for people and tools.
///
/// Every list is sorted, so equal clusters give equal reports. docs/compile.md describes the JSON; a change that
/// could surprise a reader of it raises `currentSchema`.
package struct CompileReport: Codable, Sendable, Hashable {
    package static let currentSchema = 1

    package var schema = CompileReport.currentSchema
    package var node: Node
    package var frontends: [Frontend]
    package var retainedBackends: [RetainedBackend]
    package var healthCheckNodePorts: [HealthCheckNodePort]
    package var leftAlone: [LeftAlone]
    package var conflicts: [Conflict]
    package var problems: [Problem]

    /// The node that was compiled for.
    package struct Node: Codable, Sendable, Hashable {
        package var name: String
        /// Absent where the Node object is, or its label.
        package var zone: String?
        package var nodePortAddresses: [NodePortAddress]
        package var primaryAddresses: [String]
        package var localTraffic: LocalTraffic
    }

    /// What tells the cluster's pods from other clients: one of these; an empty list tells none apart.
    package struct LocalTraffic: Codable, Sendable, Hashable {
        package var sources: [String]?
        package var bridge: String?
        package var devicePrefix: String?
    }

    package struct NodePortAddress: Codable, Sendable, Hashable {
        package var address: String
        package var hostOnly: Bool
    }

    /// What happens to clients of an address, port and protocol, by where they are.
    package struct Frontend: Codable, Sendable, Hashable {
        package var address: String
        package var port: Int
        package var `protocol`: String
        package var scope: Scope
        package var kind: String
        /// Which set of endpoints it takes: `Cluster` or `Local`.
        package var policy: String
        /// `namespace/name`.
        package var service: String
        /// Empty for the only port of a Service.
        package var servicePort: String
        package var action: String
        /// Why it refuses or drops; absent when it balances.
        package var reason: String?
        /// The reason's code, of `swiftlet help reasons`.
        package var reasonCode: String?
        /// The set that this frontend takes, and nothing else.
        package var backends: [Backend]
        /// 0 without session affinity.
        package var affinitySeconds: UInt32
        package var masquerade: String
        /// Absent when everybody is admitted.
        package var sourceRanges: SourceRanges?
    }

    /// Where the clients are that a frontend is for.
    package enum Scope: String, Codable, Sendable, Hashable {
        case all
        /// On this node, pods included; others have a frontend of their own.
        case fromNode
        case fromOutside
        /// In the node's own network namespace.
        case hostOnly
    }

    package struct Backend: Codable, Sendable, Hashable {
        package var address: String
        package var port: Int
        /// On this node.
        package var local: Bool
        package var zone: String?
    }

    package struct SourceRanges: Codable, Sendable, Hashable {
        package var ranges: [String]
        package var admitsVIP: Bool
    }

    /// A backend that no frontend takes for new connections, while the flows that it has live on.
    package struct RetainedBackend: Codable, Sendable, Hashable {
        package var service: String
        package var servicePort: String
        package var `protocol`: String
        package var address: String
        package var port: Int
        package var terminating: Bool
    }

    package struct HealthCheckNodePort: Codable, Sendable, Hashable {
        package var service: String
        package var port: Int
        /// Ready endpoints on the node: the answer is 200 if there is one (spec 45).
        package var localEndpoints: Int
    }

    package struct LeftAlone: Codable, Sendable, Hashable {
        package var service: String
        package var reason: String
    }

    /// A frontend that a Service asks for and another one holds.
    package struct Conflict: Codable, Sendable, Hashable {
        package var service: String
        package var address: String
        package var port: Int
        package var `protocol`: String
        package var heldBy: String
    }

    /// Something in the manifests that cannot be used as it is written.
    package struct Problem: Codable, Sendable, Hashable {
        package var kind: String
        package var file: String
        package var document: Int?
        package var object: String?
        package var field: String?
        package var message: String
    }
}

extension CompileReport {
    /// Something is not served as it is written. What another proxy serves, or a name in DNS, is meant so.
    package var isFlawed: Bool {
        !problems.isEmpty || !conflicts.isEmpty
            || leftAlone.contains { $0.reason == ServiceModel.LeftAlone.noClusterIP.rawValue }
    }
}
