import Foundation
import NetworkLab
import LabAPIServer
import TestKit
import Testing

private let small = ["--max-services", "64", "--max-backends", "128", "--max-slots", "256"]

/// Services of three backends each, in one file.
private func many(_ count: Int) -> String {
    (0..<count).map { number in
        let name = "many-\(number)"
        return Manifest.file(
            Manifest.service(name, ["10.97.\(number / 250).\(number % 250 + 1)"]),
            Manifest.slice(name, Manifest.pods4))
    }.joined(separator: "\n---\n")
}

extension TestNode {
    fileprivate func capacity(_ map: String) throws -> Int {
        try #require(try status().maps.first { $0.name == map }).capacity
    }

    /// A frontend's entry and slots, with the numbers in them.
    fileprivate func numbers(of vip: String) throws -> [String] {
        let dump = try MapDump(of: self)
        return dump.services.filter { MapDump.text($0.key.address) == vip }.map { entry in
            "\(entry.key) \(entry.value) \(dump.run(of: entry))"
        }.sorted()
    }

    /// How many connects of a Service were counted.
    fileprivate func connects(of service: String) throws -> Double {
        try get("/metrics", port: 10_249).body.split(separator: "\n").filter {
            $0.hasPrefix("swiftlet_service_connects_total{") && $0.contains("name=\"\(service)\"")
        }.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }

    /// Starts small, grows while connects run, and goes on after a restart with what has grown.
    fileprivate func growUnderLoad() throws {
        try start()
        #expect(try capacity("services4") == 64)
        let held = try hold("10.96.0.15:80", "--connections", "10")
        let load = try startLoad("10.96.0.15:80,[fd00:96::15]:80", ["--rate", "300", "--seconds", "60"])
        let packets = try startLoad("192.0.2.1:30080", ["--rate", "50", "--seconds", "60"], from: .outside)
        #expect(try eventually { try connects(of: "web") > 50 })
        let (numbers, counted) = (try numbers(of: "10.96.0.15"), try connects(of: "web"))
        try write(many(400), to: "many.yaml")
        let isServed = try eventually(within: 30_000) { try call("10.97.1.150:80").results == ["ok"] }
        #expect(isServed, "\(logText)")
        #expect(try eventually(within: 10_000) { try status().degraded == [] }, "\(logText)")
        for address in ["10.97.0.1:80", "10.97.0.250:80", "10.97.1.1:80"] {
            #expect(try call(address, "--count", "5").results == ["ok"])
        }
        #expect(try capacity("services4") >= 512)
        #expect(try capacity("backends4") >= 1_200)
        #expect(try capacity("slots4") >= 1_200)
        #expect(try status().pins == [])
        #expect(!logText.contains("a Service is not programmed"), "somebody was told before there was room")
        #expect(try self.numbers(of: "10.96.0.15") == numbers && !numbers.isEmpty)
        #expect(try connects(of: "web") > counted)
        #expect(try held.send().allSatisfy { $0.result == "ok" && $0.peer == "10.96.0.15:80" })
        for (name, process) in ["sockets": load, "packets": packets] {
            let report = try finish(load: process, now: true)
            #expect(report.failed == [:] && report.ok > 0, "\(name): \(report.failures)")
        }

        // The larger maps are the ones that a restart finds, and uses all of.
        let grown = try capacity("services4")
        try stop()
        try start()
        #expect(try self.numbers(of: "10.96.0.15") == numbers)
        #expect(try status().degraded == [])
        try write(many(402), to: "many.yaml")
        #expect(try eventually { try call("10.97.1.152:80").results == ["ok"] })
        #expect(try capacity("services4") == grown)
        try remove("many.yaml")
        #expect(try eventually { try services()["many-7"] == nil })
        #expect(try call("10.96.0.15:80").results == ["ok"])
        #expect(try status().degraded == [])
        try stop()
        _ = try swiftlet("cleanup")
    }
}

/// With the rights of the unit.
@Suite(
    "growing maps, least rights", .tags(.endToEnd), .endToEnd,
    .node(pods: 3, flags: small, starts: false, rights: .least, manifests: ["web.yaml": ServedManifests.web]))
struct LeastRightsGrowthTests {
    @Test("no more than three capabilities are needed")
    func grows() throws { try TestNode.current.growUnderLoad() }
}

/// Maps that grow while connects run.
@Suite(
    "growing maps", .tags(.endToEnd), .endToEnd, .serialized,
    // Whose daemon notes its steps in a file, which the least rights do not allow.
    .node(pods: 3, flags: small, starts: false, rights: .root, manifests: ["web.yaml": ServedManifests.web]))
struct GrowthTests {
    @Test("services, slots and backends find room, what is there keeps its numbers, and no connect fails meanwhile")
    func grows() throws { try TestNode.current.growUnderLoad() }

    @Test("the first list gets all the room that it needs at once, and nothing is refused on the way")
    func beginsLargeEnough() throws {
        let node = try TestNode.current
        try node.write(many(400), to: "many.yaml")
        try node.start()
        for address in ["10.96.0.15:80", "10.97.0.1:80", "10.97.1.150:80"] {
            #expect(try node.call(address).results == ["ok"])
        }
        #expect(node.logText.split(separator: "\n").count { $0.contains("grew the maps") } == 1)
        #expect(!node.logText.contains("a Service is not programmed"), "\(node.logText)")
        #expect(try node.status().degraded == [])
        try node.stop()
        try node.remove("many.yaml")
        _ = try node.swiftlet("cleanup")
    }

    @Test("killed at any step of it, the next start goes on, and no connect fails")
    func survivesKills() throws {
        let node = try TestNode.current
        func start(_ further: String...) throws {
            let sizes = ["--max-services", "128", "--max-backends", "128", "--max-slots", "128"]
            try node.start(Programs.lab, with: node.arguments(of: .this, sizes + further))
        }
        func steps() throws -> [String] {
            try String(contentsOfFile: node.stepsFile, encoding: .utf8).split(separator: "\n").map(String.init)
        }
        try? FileManager.default.removeItem(atPath: node.stepsFile)
        try start("--steps", node.stepsFile)
        let before = try steps().count
        try node.write(many(120), to: "many.yaml")
        #expect(try eventually(within: 20_000) { try node.call("10.97.0.120:80").results == ["ok"] })
        #expect(try eventually(within: 30_000) { try steps().contains("renamed services4") })
        let all = try steps()
        let pace = 7
        for step in stride(from: before + Int.random(in: 1...pace), through: all.count, by: pace) {
            try node.stop()
            _ = try node.swiftlet("cleanup")
            try node.remove("many.yaml")
            try start("--kill-after", "\(step)")
            let load = try node.startLoad("10.96.0.15:80,[fd00:96::15]:80", ["--rate", "300", "--seconds", "60"])
            try node.write(many(120), to: "many.yaml")
            #expect(try node.waitForKill(), "\(all[step - 1])")
            #expect(try node.call("10.96.0.15:80").results == ["ok"], "after \(all[step - 1])")
            try node.start()
            #expect(try eventually(within: 20_000) { try node.call("10.97.0.120:80").results == ["ok"] })
            #expect(try eventually { try node.status().degraded == [] })
            #expect(try node.status().pins == [])
            let report = try node.finish(load: load, now: true)
            #expect(report.failed == [:], "after \(all[step - 1]): \(report.failures)")
        }
        try node.stop()
        try node.remove("many.yaml")
        _ = try node.swiftlet("cleanup")
    }

    /// What does not fit stays out whole, and the others do not suffer.
    @Test("at the limit the Service is named with the flag that helps, in status and by an Event")
    func reportsLimit() throws {
        let node = try TestNode.current
        let objects = (0..<30).flatMap { number -> [JSON] in
            let name = "fits-\(number)"
            return [
                ClusterManifest.service(name, "10.98.0.\(number + 1)"), ClusterManifest.slice(name, pods: [1, 2, 3]),
            ]
        }
        try node.withAPI([ClusterManifest.node] + objects) { api in
            try node.start(
                following: api, "--max-services", "64", "--max-backends", "128", "--max-slots", "256",
                "--map-memory-limit", "1")
            #expect(try node.call("10.98.0.1:80").results == ["ok"])
            // 1 MiB is enough for some hundred frontends, and for no service port with 4,000 endpoints.
            var slice = ClusterObjects.slice("large-1", of: "large", addresses: [])
            slice["endpoints"] = .list(
                (0..<6_000).map { ["addresses": [.text("10.99.\($0 / 250).\($0 % 250 + 1)")]] })
            try api.put(ClusterManifest.service("large", "10.98.1.1"), slice)
            #expect(
                try eventually(within: 20_000) { try api.events().contains { $0.reason == "NotProgrammed" } },
                "\(node.logText)")
            let event = try #require(try api.events().first { $0.reason == "NotProgrammed" })
            #expect(event.regarding.name == "large")
            #expect(event.note.contains("is full") && event.note.contains("raise --map-memory-limit"), "\(event)")
            let status = try node.status()
            #expect(
                status.degraded.contains { $0.contains("default/large") && $0.contains("raise --map-memory-limit") },
                "\(status.degraded)")
            let metrics = try node.get("/metrics", port: 10_249).body
            #expect(metrics.contains("\nswiftlet_service_ports_pending 1\n"))
            for number in [0, 15, 29] {
                #expect(try node.call("10.98.0.\(number + 1):80", "--count", "3").results == ["ok"])
            }
            // The others still change.
            try api.put(ClusterManifest.service("late", "10.98.2.1"), ClusterManifest.slice("late", pods: [2]))
            #expect(try eventually { try node.call("10.98.2.1:80").pods == ["pod-2"] })
            try api.delete("services", "large")
            let isWell = try eventually { try node.status().degraded == [] }
            let degraded = try node.status().degraded
            #expect(isWell, "\(degraded)")
        }
    }
}
