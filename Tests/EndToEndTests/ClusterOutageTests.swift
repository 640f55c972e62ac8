import Foundation
import NetworkLab
import LabAPIServer
import TestKit
import Testing

/// What is served while no API server answers.
@Suite("a cluster's outage", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 3, starts: false))
struct ClusterOutageTests {
    private static let objects =
        [ClusterManifest.node] + pair("web", "10.96.0.15", pods: [1, 2]) + pair("other", "10.96.0.16", pods: [3])

    private static func pair(_ name: String, _ ip: String, pods: [Int]) -> [JSON] {
        [ClusterManifest.service(name, ip), ClusterManifest.slice(name, pods: pods)]
    }

    /// Complaints that are about the API server.
    private func complaints(_ node: TestNode) throws -> [String] { try node.status().degraded }

    /// The file of the state cache; the first is written some seconds after the start.
    private func awaitCache(on node: TestNode) throws -> String {
        let file = "\(node.stateDirectory)/state.yaml"
        guard try eventually(within: 20_000, { FileManager.default.fileExists(atPath: file) }) else {
            throw TestFailure("no state cache was written: \(node.logText)")
        }
        return file
    }

    @Test("spec 56: a Node that is gone when the daemon starts leaves the NodePorts where they were")
    func remembersNode() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node] + Self.objects) { api in
            try node.start(following: api)
            let addresses = try #require(try node.status().daemon).nodePortAddresses
            try api.delete("nodes", Manifest.nodeName)
            func isGone() throws -> Bool {
                try node.status().daemon?.risks.contains { $0.hasPrefix("the Node node-1 is gone") } == true
            }
            #expect(try eventually { try isGone() })
            try node.stop()
            // A Node that is not there is waited for, for 30 s.
            try node.startAlone(following: api)
            #expect(try eventually(within: 60_000) { try isGone() }, "\(node.logText)")
            #expect(try node.status().daemon?.nodePortAddresses == addresses)
        }
    }

    @Test("while the API server is away all goes on, and what has changed meanwhile is taken over without a failure")
    func outlastsOutage() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let load = try node.startLoad("10.96.0.15:80", ["--rate", "200", "--seconds", "120"])
            try api.goDown()
            #expect(try eventually { try complaints(node).count == 1 })
            let said = try complaints(node)
            #expect(said.count == 1, "\(said)")
            let complaint = try #require(said.first)
            #expect(complaint.contains(api.hello.url) && complaint.contains("; "), "\(complaint)")
            #expect(!complaint.contains("\n"))
            #expect(try node.swiftlet("status").status == .exited(3))
            try expectExplanations(node)
            let metrics = try node.get("/metrics", port: 10_249).body
            #expect(metrics.contains("\nswiftlet_api_server_up 0\n"))
            #expect(metrics.contains(#"rest_client_requests_total{code="<error>",method="GET""#))
            #expect(try node.call("10.96.0.16:80", "--count", "5").pods == ["pod-3"])

            try api.delete("services", "other")
            try api.delete("endpointslices", "other-1")
            try api.put(ClusterManifest.slice("web", pods: [2, 3]))
            for object in Self.pair("new", "10.96.0.17", pods: [1]) { try api.put(object) }
            try api.comeBack()
            #expect(try eventually(within: 60_000) { try node.call("10.96.0.17:80").results == ["ok"] })
            var answers: [Set<String>] = []
            let isGone = try eventually(within: 20_000) {
                answers.append(try node.call("10.96.0.16:80").results)
                return answers.last == ["ENETUNREACH"]
            }
            #expect(isGone, "\(answers): \(node.logText)")
            #expect(try eventually { try node.call("10.96.0.15:80", "--count", "30").pods == ["pod-2", "pod-3"] })
            // Each kind of object is asked for again after a pause of its own, of 30 s at most.
            #expect(try eventually(within: 60_000) { try complaints(node) == [] }, "\(node.logText)")
            let report = try node.finish(load: load, now: true)
            #expect(report.ok > 0)
            #expect(report.failed == [:], "\(report)")
        }
    }

    /// What is served can be explained, and what cannot be seen is not said to be away.
    private func expectExplanations(_ node: TestNode) throws {
        for subject in ["other", "10.96.0.16:80"] {
            let explained = try node.swiftlet("explain", subject)
            #expect(explained.status == .exited(0), "\(explained)")
            #expect(explained.output.contains("not seen: cannot list pods"), "\(explained)")
        }
        for subject in ["new", "10.96.0.17:80"] {
            let unexplained = try node.swiftlet("explain", subject)
            #expect(unexplained.status == .exited(1), "\(unexplained)")
            #expect(unexplained.output.contains("cannot look at the cluster"), "\(unexplained)")
        }
    }

    @Test("a start without an API server serves what the maps hold, or what was known last", arguments: [true, false])
    func startsAlone(keepsMaps: Bool) throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            _ = try awaitCache(on: node)
            try node.stop()
            try api.goDown()
            // As after a boot: nothing of ours is in the kernel.
            if !keepsMaps { #expect(try node.swiftlet("cleanup").status == .exited(0)) }

            try node.startAlone(following: api)
            #expect(try node.call("10.96.0.15:80", "--count", "30").pods == ["pod-1", "pod-2"])
            for subject in ["web", "10.96.0.15:80"] {
                let explained = try node.swiftlet("explain", subject)
                #expect(explained.status == .exited(0), "\(explained)")
            }
            // Maps that hold something wait for the API server first.
            let servesCache = try eventually(within: keepsMaps ? 20_000 : 0) {
                node.logText.contains("serving the last known state")
            }
            #expect(servesCache)
            #expect(try node.services()["web"]?.type == "ClusterIP")
            #expect(try node.call("10.96.0.15:80", "--count", "30").pods == ["pod-1", "pod-2"])
            #expect(try node.call("10.96.0.16:80", "--count", "5").pods == ["pod-3"])
            let said = try complaints(node)
            #expect(said.count == 1, "\(said)")
            #expect(try node.get("/livez", port: 10_256).status == 200)
            #expect(try node.get("/readyz", port: 10_256).status == 503)

            let load = try node.startLoad("10.96.0.15:80", ["--rate", "100", "--seconds", "120"])
            try api.delete("services", "other")
            try api.comeBack()
            #expect(try eventually(within: 60_000) { try node.call("10.96.0.16:80").results == ["ENETUNREACH"] })
            #expect(try eventually { try complaints(node) == [] })
            #expect(try eventually { try node.get("/readyz", port: 10_256).status == 200 })
            #expect(try node.finish(load: load, now: true).failed == [:])
        }
    }

    @Test("an outage is one warning in the log, and one line with its length when it is over")
    func isToldOnce() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            try api.goDown()
            // Each of the three watches tries again and again.
            #expect(
                try eventually(within: 60_000) {
                    let series = "swiftlet_watch_restarts_total{"
                    let lines = try node.get("/metrics", port: 10_249).body.split(separator: "\n")
                    let counts = lines.filter { $0.hasPrefix(series) }.map { line in
                        line.split(separator: " ").last.flatMap { Int($0) }
                    }
                    return counts.count == 3 && counts.allSatisfy { ($0 ?? 0) >= 3 }
                })
            #expect(node.logText.contains("cannot follow the API server; Services stay as they are"))
            try api.comeBack()
            #expect(try eventually(within: 60_000) { node.logText.contains("following the API server again") })
            for line in ["cannot follow the API server; ", "following the API server again"] {
                #expect(node.logText.components(separatedBy: line).count == 2, "\(node.logText)")
            }
        }
    }

    @Test("what the maps hold and an older cache does not is served on, before the list and after it")
    func prunesNothing() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            _ = try awaitCache(on: node)
            for object in Self.pair("late", "10.96.0.18", pods: [1]) { try api.put(object) }
            try api.put(ClusterManifest.slice("other", pods: [2]))
            #expect(try eventually { try node.call("10.96.0.18:80").results == ["ok"] })
            #expect(try eventually { try node.call("10.96.0.16:80", "--count", "5").pods == ["pod-2"] })
            // Without a chance to write the cache once more.
            try node.kill()
            try api.goDown()
            try node.startAlone(following: api)
            let load = try node.startLoad("10.96.0.18:80", ["--rate", "100", "--seconds", "120"])
            #expect(try node.services()["late"]?.type == "unknown")
            #expect(try node.call("10.96.0.16:80", "--count", "5").pods == ["pod-2"])
            try api.comeBack()
            #expect(try eventually(within: 60_000) { try complaints(node) == [] })
            #expect(try node.services()["late"]?.type == "ClusterIP")
            #expect(try node.finish(load: load, now: true).failed == [:])
        }
    }

    @Test("a slice that is refused after a restart leads where it led, and a Service that was deleted meanwhile goes")
    func refusedAfterRestart() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            _ = try awaitCache(on: node)
            try node.stop()
            var odd = ClusterManifest.slice("web", pods: [3])
            odd["addressType"] = "IPv9"
            try api.put(odd)
            try api.delete("services", "other")
            try node.start(following: api)
            #expect(try node.call("10.96.0.15:80", "--count", "30").pods == ["pod-1", "pod-2"])
            #expect(try eventually { try node.call("10.96.0.16:80").results == ["ENETUNREACH"] })
            let said = try complaints(node)
            #expect(said.count == 2 && said[0].contains("addressType is IPv9"), "\(said)")
            let kept = "kept from before: EndpointSlice default/web-1 in \(api.hello.url) cannot be used"
            #expect(said[1] == "default/web is \(kept)")
            let explained = try node.swiftlet("explain", "web")
            #expect(explained.status == .exited(0) && explained.output.contains(kept), "\(explained)")

            try api.put(ClusterManifest.slice("web", pods: [3]))
            #expect(try eventually { try node.call("10.96.0.15:80", "--count", "5").pods == ["pod-3"] })
            #expect(try complaints(node) == [])
        }
    }

    @Test("a damaged cache is named and not used")
    func refusesDamaged() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api)
            let file = try awaitCache(on: node)
            try node.stop()
            try api.goDown()
            #expect(try node.swiftlet("cleanup").status == .exited(0))
            let text = try String(contentsOfFile: file, encoding: .utf8)
            try text.replacingOccurrences(of: "10.96.0.15", with: "10.96.0.19")
                .write(toFile: file, atomically: true, encoding: .utf8)

            try node.startAlone(following: api)
            #expect(node.logText.contains("cannot use state cache \(file)"), "\(node.logText)")
            #expect(try node.call("10.96.0.19:80").results == ["ENETUNREACH"])
            #expect(try node.call("10.96.0.15:80").results == ["ENETUNREACH"])
            try api.comeBack()
            #expect(try eventually(within: 60_000) { try node.call("10.96.0.15:80").results == ["ok"] })
        }
    }

    @Test("without a state directory nothing is kept, and the maps serve on")
    func keepsNothing() throws {
        let node = try TestNode.current
        try node.withAPI(Self.objects) { api in
            try node.start(following: api, "--state-dir", "")
            try node.stop()
            try api.goDown()
            try node.startAlone(following: api, "--state-dir", "")
            #expect(!node.logText.contains("known last"))
            #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
            #expect(try node.status().hooks.allSatisfy(\.isAttached))
            #expect(((try? FileManager.default.contentsOfDirectory(atPath: node.stateDirectory)) ?? []) == [])
            #expect(!FileManager.default.fileExists(atPath: "/var/lib/swiftlet"))
        }
    }
}
