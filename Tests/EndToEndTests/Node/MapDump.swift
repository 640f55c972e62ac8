import NetworkLab

/// What plain `bpftool -j map dump pinned …` prints: nothing but map names and field names is known here.
struct MapDump {
    struct Frontdoor: Decodable {
        var address: [UInt8]
        var port: UInt16
        var `protocol`: String
        var scope: String
    }

    struct Service: Decodable {
        var service_id: Int
        var first_slot: Int
        var count: Int
        var affinity_seconds: Int
        var kind: String
        var action: String
    }

    struct Slot: Decodable, Equatable {
        var service_id: Int
        var backend_id: Int
        var address: [UInt8]
        var port: UInt16
    }

    struct Backend: Decodable {
        var service_id: Int
        var address: [UInt8]
        var port: UInt16
        var `protocol`: String
        var state: String
    }

    struct Name: Decodable {
        var namespace_: String
        var name: String
        var port_name: String
        var `protocol`: String
        var family: Int
    }

    struct Entry<Key: Decodable, Value: Decodable>: Decodable {
        struct Formatted: Decodable {
            var key: Key
            var value: Value
        }
        var formatted: Formatted
        var key: Key { formatted.key }
        var value: Value { formatted.value }
    }

    var services: [Entry<Frontdoor, Service>]
    var slots: [Int: [Entry<Int, Slot>]]
    var backends: [Entry<Int, Backend>]
    var names: [Entry<Int, Name>]

    init(of node: TestNode) throws {
        func dump<Key, Value>(_ name: String) throws -> [Entry<Key, Value>] {
            try Programs.decode(from: ["bpftool", "-j", "map", "dump", "pinned", node.map(name)])
        }
        services = try dump("services4") + dump("services6")
        slots = [4: try dump("slots4"), 16: try dump("slots6")]
        backends = try dump("backends4") + dump("backends6")
        names = try dump("service_ports")
    }

    static func text(_ address: [UInt8]) -> String { SocketAddress(address: address, port: 0).host }

    /// The run of slots that a front door's service entry names.
    func run(of entry: Entry<Frontdoor, Service>) -> [Slot] {
        let slots = slots[entry.key.address.count] ?? []
        let first = entry.value.first_slot
        return slots[first..<(first + entry.value.count)].map(\.value)
    }
}
