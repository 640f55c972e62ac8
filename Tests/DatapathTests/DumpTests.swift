import BPFLoader
import CDatapath
import Foundation
import NetworkLab
import Testing

extension KernelTests {
    @Suite("What plain bpftool prints")
    struct DumpTests {
        /// One entry of `bpftool -j map dump`, as the map's types tell it.
        private struct Entry<Key: Decodable, Value: Decodable>: Decodable {
            struct Formatted: Decodable {
                let key: Key
                let value: Value
            }
            let formatted: Formatted
        }

        private struct Door: Decodable, Equatable {
            var address: [UInt8]
            var port: UInt16
            var `protocol`: String
            var scope: String
        }

        private struct Entrance: Decodable, Equatable {
            var service_id: UInt32
            var count: UInt32
            var affinity_seconds: UInt32
            var kind: String
            var action: String
            var algorithm: String
            var policy: String
        }

        private struct Endpoint: Decodable, Equatable {
            var address: [UInt8]
            var port: UInt16
            var `protocol`: String
            var state: String
            var zone: String
        }

        private struct Names: Decodable, Equatable {
            var namespace_: String
            var name: String
            var port_name: String
            var `protocol`: String
        }

        private func dump<Key: Decodable, Value: Decodable>(
            _ map: consuming BPFMap, _: Key.Type, _: Value.Type
        ) throws -> [Entry<Key, Value>] {
            let text = try Command.run("bpftool", "-j", "map", "dump", "id", "\(map.id)")
            return try JSONDecoder().decode([Entry<Key, Value>].self, from: Data(text.utf8))
        }

        @Test("frontends and backends read as a person writes them", arguments: Family.allCases)
        func isReadable(family: Family) throws {
            let datapath = try Datapath.forDecisions()
            let frontend = Frontend(family: family, vip: 15, port: 443, proto: UDP)
            let entry = service(id: 7, count: 2, affinity: 60, kind: LOAD_BALANCER, policy: LOCAL)
            try datapath.put(frontend, entry)
            try datapath.put(family, Backend(id: 9, service: 7, number: 11))

            let doors = try dump(datapath.map(family.name("services")), Door.self, Entrance.self)
            #expect(
                doors.map(\.formatted.key) == [
                    Door(address: family.vip(15), port: 443, protocol: "UDP", scope: "FROM_NODE")
                ])
            #expect(
                doors.map(\.formatted.value) == [
                    Entrance(
                        service_id: 7, count: 2, affinity_seconds: 60, kind: "LOAD_BALANCER", action: "BALANCE",
                        algorithm: "RANDOM", policy: "LOCAL")
                ])
            let endpoints = try dump(datapath.map(family.name("backends")), UInt32.self, Endpoint.self)
            #expect(endpoints.map(\.formatted.key) == [9])
            #expect(
                endpoints.map(\.formatted.value) == [
                    Endpoint(address: family.pod(11), port: 8080, protocol: "TCP", state: "ACTIVE", zone: "")
                ])
        }

        @Test("a range reads as its service, its length and its first address", arguments: Family.allCases)
        func rangesAreReadable(family: Family) throws {
            struct Range: Decodable, Equatable {
                var prefix_length: UInt32
                var service_id: UInt32
                var address: [UInt8]
            }
            struct Verdict: Decodable, Equatable { var allow: UInt8 }
            let datapath = try Datapath.forDecisions()
            let range = SourceRange(family: family, number: 16, free: 4)
            try datapath.allow(range, service: 7)
            let entries = try dump(datapath.map(family.name("source_ranges")), Range.self, Verdict.self)
            #expect(
                entries.map(\.formatted.key) == [
                    Range(prefix_length: UInt32(32 + range.bits), service_id: 7, address: family.pod(16))
                ])
            #expect(entries.map(\.formatted.value) == [Verdict(allow: 1)])
        }

        @Test("SCTP has its name too")
        func namesSCTP() throws {
            let datapath = try Datapath.forDecisions()
            try datapath.put(.v4, Backend(id: 9, service: 7, number: 11), proto: SCTP)
            let endpoints = try dump(datapath.map("backends4"), UInt32.self, Endpoint.self)
            #expect(endpoints.map(\.formatted.value.protocol) == ["SCTP"])
        }

        @Test("names are text and protocols have names")
        func namesAreText() throws {
            let datapath = try Datapath.forDecisions()
            var names = service_port()
            fill(&names.namespace_, Array("shop".utf8))
            fill(&names.name, Array("my-api".utf8))
            names.protocol = TCP
            try datapath.map("service_ports").update(UInt32(7), to: names)
            let entries = try dump(datapath.map("service_ports"), UInt32.self, Names.self)
            #expect(
                entries.map(\.formatted.value) == [
                    Names(namespace_: "shop", name: "my-api", port_name: "", protocol: "TCP")
                ])
        }

        @Test("counters show a number for each CPU")
        func countersHaveCPUs() throws {
            struct Counter: Decodable {
                struct Formatted: Decodable { let key: UInt32, values: [Share] }
                struct Share: Decodable { let cpu: Int, value: UInt64 }
                let formatted: Formatted
            }
            let datapath = try Datapath.forDecisions()
            let map = try datapath.map("counters")
            let text = try Command.run("bpftool", "-j", "map", "dump", "id", "\(map.id)")
            let counters = try JSONDecoder().decode([Counter].self, from: Data(text.utf8))
            #expect(counters.map(\.formatted.key) == Array(0..<COUNT_MAX.rawValue))
            #expect(counters.allSatisfy { !$0.formatted.values.isEmpty })
        }

        @Test("refusals of a service port have their reasons' names")
        func refusalsAreReadable() throws {
            struct Counter: Decodable {
                struct Formatted: Decodable { let key: UInt32, values: [Share] }
                struct Share: Decodable { let value: [String: UInt64] }
                let formatted: Formatted
            }
            let datapath = try Datapath.forDecisions()
            let map = try datapath.map("service_counts")
            let text = try Command.run("bpftool", "-j", "map", "dump", "id", "\(map.id)")
            let counters = try JSONDecoder().decode([Counter].self, from: Data(text.utf8))
            let names: Set = [
                "forwarded", "refused_no_backend", "refused_no_local_backend", "refused_source", "refused_other",
            ]
            #expect(counters.first?.formatted.values.first.map { Set($0.value.keys) } == names)
        }

        @Test("every map has types", arguments: ["sock.bpf.o", "select.bpf.o", "tc.bpf.o"])
        func mapsHaveTypes(object: String) throws {
            struct Description: Decodable { let btf_id: UInt32? }
            let datapath = try Datapath(object)
            // The kernel keeps none for rings.
            for name in datapath.object.mapNames where name != "events" {
                let map = try datapath.map(name)
                let text = try Command.run("bpftool", "-j", "map", "show", "id", "\(map.id)")
                let description = try JSONDecoder().decode(Description.self, from: Data(text.utf8))
                #expect(description.btf_id != nil, "\(name)")
            }
        }
    }
}
