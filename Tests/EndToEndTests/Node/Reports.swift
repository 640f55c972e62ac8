/// What the lab and swiftlet print as JSON, as a stranger would read it: fields by name, no types of the product.
struct CallReport: Decodable, Sendable {
    struct Attempt: Decodable, Sendable {
        var result: String
        var stage: String?
        var pod: String?
        var peer: String?
        var source: String?
        var local: String?
        var client: String?
        var microseconds: Int
    }

    struct Summary: Decodable, Sendable {
        var ok: Int
        var failed: [String: Int]
        var spread: [String: Int]
    }

    var attempts: [Attempt]
    var summary: Summary

    /// Each result once.
    var results: Set<String> { Set(attempts.map(\.result)) }
    var pods: Set<String> { Set(attempts.compactMap(\.pod)) }
}

struct LoadReport: Decodable, Sendable {
    struct Failure: Decodable, Sendable {
        var target: String
        var result: String
        var stage: String?
        var at: Int
    }

    var attempted: Int
    var ok: Int
    var failed: [String: Int]
    var spread: [String: Int]
    var milliseconds: Int
    var failures: [Failure]
}

struct HoldReport: Decodable, Sendable {
    var flows: [CallReport.Attempt]
}

struct BindReport: Decodable, Sendable {
    var result: String
}

struct StatusReport: Decodable, Sendable {
    struct Hook: Decodable, Sendable {
        var name: String
        var program: String?
        var programID: Int?
        var linkID: Int?
        var isAttached: Bool
        var foreign: [String]
    }

    struct Feature: Decodable, Sendable {
        var name: String
        var isPresent: Bool
    }

    struct MapFill: Decodable, Sendable {
        var name: String
        var entries: Int
        var capacity: Int
        var memory: Int
    }

    struct Watch: Decodable, Sendable {
        var resource: String
        var url: String?
        var objects: Int
        var lists: Int
        var lastError: String?
    }

    struct Totals: Decodable, Sendable, Equatable {
        var services: Int
        var servicePorts: Int
        var frontends: Int
        var backends: Int
    }

    struct Draining: Decodable, Sendable {
        var service: String
        var `protocol`: String
        var sockets: Int
        var flows: Int
    }

    struct GoneSockets: Decodable, Sendable {
        var mechanism: String?
        var destroyed: [String: Int]
        var refused: Int
        var postponed: Int
        var confinement: String?
        var lender: String?
    }

    struct Daemon: Decodable, Sendable {
        var pid: Int32
        var nodeName: String
        var sockets: GoneSockets?
        var kubeProxyReplacement: Bool
        var cgroupRoot: String
        var sources: [String]
        var watches: [Watch]
        var startedAt: String
        var lastEventAt: String?
        var nodePortAddresses: [String]
        var desired: Totals
        var programmed: Totals
        var pending: [String]
        var problems: [String]
        var rights: Rights
        var risks: [String]
        var residentBytes: Int
        var emptyServices: [String: Int]?
        var devices: [Device]
        var packets: Packets?
        var leftCgroups: LeftCgroups?
    }

    struct LeftCgroups: Decodable, Sendable {
        var patterns: [String]
        var cgroups: [String]
    }

    struct Device: Decodable, Sendable {
        var name: String
        var role: String?
        var reason: String
    }

    struct Packets: Decodable, Sendable {
        var forwarding: String
        var masqueradePorts: [String]
        var closedRanges: [String]
    }

    struct Rights: Decodable, Sendable {
        var user: UInt32
        var capabilities: [String]
        var reserved: [String]
        var lacking: [String]
    }

    var kernel: String
    var bpfRoot: String
    var cgroupRoot: String
    var daemon: Daemon?
    var hooks: [Hook]
    var probe: String
    var features: [Feature]
    var maps: [MapFill]
    var counters: [String: Int]
    var pins: [String]
    var draining: [Draining]
    var degraded: [String]
}

struct ServicesReport: Decodable, Sendable, Equatable {
    struct Item: Decodable, Sendable, Equatable {
        var namespace: String
        var name: String
        var type: String
        var leftAlone: String?
        var ports: [Port]
        var problems: [String]
    }

    struct Connections: Decodable, Sendable, Equatable {
        var forwarded: Int
        var refused: Int
        var refusedByReason: [String: Int]
    }

    struct Port: Decodable, Sendable, Equatable {
        var name: String
        var `protocol`: String
        var family: Int
        var connections: Connections
        var serviceID: Int?
        var affinitySeconds: Int
        var reason: String?
        var reasonCode: String?
        var sourceRanges: [String]
        var frontends: [Frontend]
        var backends: [Backend]
    }

    struct Frontend: Decodable, Sendable, Hashable {
        var address: String
        var port: Int
        var `protocol`: String
        var kind: String
        var action: String
    }

    struct Backend: Decodable, Sendable, Hashable {
        var address: String
        var port: Int
        var state: String
        var forwarded: Int?
    }

    var services: [Item]

    subscript(name: String) -> Item? { services.first { $0.name == name } }
}

struct MapsReport: Decodable, Sendable {
    struct Fill: Decodable, Sendable {
        var name: String
        var entries: Int
        var capacity: Int
        var memory: Int
    }

    var schema: Int
    var maps: [Fill]
}
