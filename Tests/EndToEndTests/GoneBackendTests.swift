import Foundation
import Glibc
import NetworkLab
import Testing

/// What becomes of open sockets when their backend goes away (spec 32, 33).
///
/// The daemon is root's: another one may not enter the namespaces of pods.
@Suite(
    "backends that went away", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, rights: .root))
struct GoneBackendTests {
    /// What a send says on a UDP socket that was destroyed. Who waits in recv or poll gets ECONNABORTED.
    fileprivate static let aborted = "EDESTADDRREQ"
    private static let annotation = "swiftlet.io/destroy-tcp-on-backend-removal"

    /// UDP at 10.96.0.40:53 and TCP at 10.96.0.40:80, TCP also at 10.96.0.41:80 with the annotation.
    fileprivate static func services(_ pods: [String], terminating: [String] = []) -> String {
        let ports = ["{name: dns, port: 8080, protocol: UDP}", "{name: web, port: 8080, protocol: TCP}"]
        func slice(_ service: String) -> String {
            let slice = Manifest.slice(service, pods, ports: ports)
            guard !terminating.isEmpty else { return slice }
            let ending = Manifest.slice(
                service, terminating, ports: ports,
                endpoint: "conditions: {ready: false, serving: true, terminating: true}")
            return Manifest.file(slice, ending.replacingOccurrences(of: "\(service)-ipv4", with: "\(service)-ending"))
        }
        let both = ["{name: dns, port: 53, protocol: UDP}", "{name: web, port: 80}"]
        let ended = Manifest.service("ended", ["10.96.0.41"], ports: both)
            .replacingOccurrences(
                of: "metadata: {name: ended}", with: "metadata: {name: ended, annotations: {\(annotation): \"true\"}}")
        return Manifest.file(
            Manifest.service("kept", ["10.96.0.40"], ports: both), slice("kept"), ended, slice("ended"))
    }

    /// Flows of the node and of a pod, all to the first pod.
    fileprivate struct Held {
        let udp: [HeldFlows]
        let tcp: HeldFlows
        let annotated: HeldFlows
        /// To the backend itself.
        let direct: HeldFlows
        /// What the daemon says, for who reads of a failure.
        private let log: () -> String

        init(_ node: TestNode) throws {
            log = { node.logText }
            udp = try [.node, .pod(2), .pod(3)].map {
                try node.hold("10.96.0.40:53", "--udp", "--connections", "20", from: $0)
            }
            tcp = try node.hold("10.96.0.40:80", "--connections", "3", from: .pod(2))
            annotated = try node.hold("10.96.0.41:80", "--connections", "3", from: .pod(2))
            direct = try node.hold("\(Manifest.pods4[0]):8080", "--udp", "--connections", "3", from: .pod(2))
        }

        func expect(udp: String, annotated: String, _ what: String) throws {
            for held in self.udp { try expect(held, udp, "UDP, \(what)") }
            try expect(self.annotated, annotated, "annotated, \(what)")
            try expect(tcp, "ok", "TCP, \(what)")
            try expect(direct, "ok", "direct, \(what)")
        }

        private func expect(_ held: HeldFlows, _ result: String, _ what: String) throws {
            let results = Set(try held.send().map(\.result))
            // Where the socket was connected anew, its error is told once.
            let right: Set<String> = result == GoneBackendTests.aborted ? [result, "ECONNABORTED"] : [result]
            #expect(!results.isEmpty && results.isSubset(of: right), "\(what): \(results.sorted())\n\(log())")
        }
    }

    /// Waits until the daemon has counted as many sockets as it destroyed: 20 of each of three places by UDP, and three by TCP.
    fileprivate static func settle(_ node: TestNode, _ destroyed: [String: Int] = ["UDP": 60, "TCP": 3]) throws {
        var counted: [String: Int]?
        let settled = try eventually(within: 30_000) {
            counted = try node.status().daemon?.sockets?.destroyed
            return counted == destroyed
        }
        #expect(settled, "destroyed by now: \(counted ?? [:])\n\(node.logText)")
    }

    private func start(_ node: TestNode, _ flags: String..., pods: [String] = [Manifest.pods4[0]]) throws {
        try node.write(Self.services(pods), to: "gone.yaml")
        try node.start(with: Array(node.runArguments().dropFirst()) + flags)
    }

    @Test(
        "within a second their UDP sockets get an error, and TCP's where it was asked for",
        arguments: ["auto", "netlink"])
    func destroyed(by mechanism: String) throws {
        let node = try TestNode.current
        try start(node, "--socket-destroy-by", mechanism)
        defer { _ = try? node.stop() }
        let held = try Held(node)
        try held.expect(udp: "ok", annotated: "ok", "before")
        try node.write(Self.services([Manifest.pods4[1]]), to: "gone.yaml")
        try Self.settle(node)
        try held.expect(udp: Self.aborted, annotated: "ECONNABORTED", "the backend gone")
        for flows in held.udp {
            #expect(Set(try flows.send().map(\.result)) == ["ok"], "who looks at no error goes on")
        }
        #expect(try node.call("10.96.0.40:53", "--udp", "--count", "5", from: .pod(2)).pods == ["pod-2"])
        let status = try node.status()
        #expect(status.degraded == [])
        #expect(status.daemon?.sockets?.destroyed == ["UDP": 60, "TCP": 3])
        #expect(status.daemon?.sockets?.refused == 0)
        if mechanism == "netlink" { #expect(status.daemon?.sockets?.mechanism == "netlink") }
        #expect(node.logText.contains("found sockets of backends that are gone"))
        let text = try node.swiftlet("status").output
        #expect(text.contains("stale sockets:   63 sockets destroyed, by "), "\(text)")
    }

    @Test("a terminating backend keeps its flows, which status counts, until it is gone")
    func terminating() throws {
        let node = try TestNode.current
        try start(node)
        defer { _ = try? node.stop() }
        let held = try Held(node)
        try node.write(Self.services([Manifest.pods4[1]], terminating: [Manifest.pods4[0]]), to: "gone.yaml")
        #expect(try eventually { try node.call("10.96.0.40:53", "--udp", "--count", "9").pods == ["pod-2"] })
        usleep(1_000_000)
        try held.expect(udp: "ok", annotated: "ok", "terminating")
        let draining = try node.status().draining
        #expect(draining.first { $0.service == "kept" && $0.protocol == "UDP" }?.sockets == 60)
        #expect(draining.first { $0.service == "kept" && $0.protocol == "TCP" }?.sockets == 3)
        #expect(try node.swiftlet("status").output.contains("DRAINING BACKEND"))
        try node.write(Self.services([Manifest.pods4[1]]), to: "gone.yaml")
        try Self.settle(node)
        try held.expect(udp: Self.aborted, annotated: "ECONNABORTED", "gone")
        #expect(try node.status().draining.isEmpty)
    }

    @Test("an endpoint that serves keeps its flows, whoever gets new ones and whatever its port is called")
    func stillServes() throws {
        let node = try TestNode.current
        try node.write(
            Manifest.node.replacingOccurrences(
                of: "metadata: {name: \(Manifest.nodeName)}",
                with: "metadata: {name: \(Manifest.nodeName), labels: {topology.kubernetes.io/zone: a}}"),
            to: "node.yaml")
        defer { try? node.write(Manifest.node, to: "node.yaml") }
        try start(node)
        defer { _ = try? node.stop() }
        let held = try Held(node)
        let unconnected = try node.hold("10.96.0.40:53", "--udp", "--unconnected", "--connections", "5", from: .pod(2))
        func expectKept(_ what: String) throws {
            usleep(1_000_000)
            try held.expect(udp: "ok", annotated: "ok", what)
            for _ in 0..<2 { #expect(Set(try unconnected.send().map(\.pod)) == ["pod-1"], "\(what)") }
            #expect(try node.status().daemon?.sockets?.destroyed.values.allSatisfy { $0 == 0 } != false, "\(what)")
        }
        func newcomers() throws -> Set<String> {
            try node.call("10.96.0.41:80", "--count", "9", from: .pod(2)).pods
        }
        try expectKept("before")

        let renamed = Self.services([Manifest.pods4[0]]).replacingOccurrences(of: "name: dns,", with: "name: domain,")
            .replacingOccurrences(of: "name: web,", with: "name: http,")
        try node.write(renamed, to: "gone.yaml")
        #expect(try eventually { try node.services().services.contains { "\($0)".contains("domain") } })
        try expectKept("renamed ports")

        var hinted = Self.services(Array(Manifest.pods4[...1]))
        for (pod, zone) in zip(Manifest.pods4, ["b", "a"]) {
            hinted = hinted.replacingOccurrences(
                of: "{addresses: [\"\(pod)\"]}",
                with: "{addresses: [\"\(pod)\"], zone: \(zone), hints: {forZones: [{name: \(zone)}]}}")
        }
        try node.write(hinted, to: "gone.yaml")
        #expect(try eventually { try newcomers() == ["pod-2"] }, "the hints count")
        try expectKept("zone hints")

        let local = Self.services(Array(Manifest.pods4[...1]))
            .replacingOccurrences(of: "  clusterIPs:", with: "  internalTrafficPolicy: Local\n  clusterIPs:")
            .replacingOccurrences(
                of: "{addresses: [\"\(Manifest.pods4[1])\"]}",
                with: "{addresses: [\"\(Manifest.pods4[1])\"], nodeName: \(Manifest.nodeName)}")
        try node.write(Self.services(Array(Manifest.pods4[...1])), to: "gone.yaml")
        #expect(try eventually { try newcomers() == ["pod-1", "pod-2"] })
        try node.write(local, to: "gone.yaml")
        #expect(try eventually { try newcomers() == ["pod-2"] }, "the policy counts")
        try expectKept("policy Local")
    }

    @Test("a Service that is removed takes its sockets along")
    func removed() throws {
        let node = try TestNode.current
        try start(node)
        defer { _ = try? node.stop() }
        let held = try Held(node)
        try node.remove("gone.yaml")
        try Self.settle(node)
        try held.expect(udp: Self.aborted, annotated: "ECONNABORTED", "removed")
    }

    @Test("what went while no daemon ran is made up for at the start")
    func restarted() throws {
        let node = try TestNode.current
        try start(node)
        defer { _ = try? node.stop() }
        let held = try Held(node)
        try node.kill()
        try node.write(Self.services([Manifest.pods4[1]]), to: "gone.yaml")
        usleep(200_000)
        try held.expect(udp: "ok", annotated: "ok", "nobody is there to see it")
        try node.start()
        try Self.settle(node)
        try held.expect(udp: Self.aborted, annotated: "ECONNABORTED", "after the start")
    }

    @Test("it can be switched off; the next start makes up for UDP")
    func off() throws {
        let node = try TestNode.current
        try start(node, "--socket-destroy", "off")
        defer { _ = try? node.stop() }
        let held = try Held(node)
        try node.write(Self.services([Manifest.pods4[1]]), to: "gone.yaml")
        #expect(try eventually { try node.call("10.96.0.40:53", "--udp", "--count", "9").pods == ["pod-2"] })
        usleep(1_000_000)
        try held.expect(udp: "ok", annotated: "ok", "off")
        #expect(try node.status().daemon?.sockets?.mechanism == nil)
        try node.stop()
        try node.start()
        try Self.settle(node, ["UDP": 60])
        try held.expect(udp: Self.aborted, annotated: "ok", "nobody knows any more that TCP was meant too")
    }

    @Test("only the node's own, and only so many a second, where it was set so")
    func limited() throws {
        let node = try TestNode.current
        try start(node, "--socket-destroy", "host", "--socket-destroy-rate", "4")
        defer { _ = try? node.stop() }
        let held = try Held(node)
        try node.write(Self.services([Manifest.pods4[1]]), to: "gone.yaml")
        #expect(try eventually { try node.status().daemon?.sockets?.postponed ?? 0 > 0 }, "20 sockets, four a second")
        try Self.settle(node, ["UDP": 20])
        #expect(Set(try held.udp[0].send().map(\.result)).isSubset(of: [Self.aborted, "ECONNABORTED"]))
        #expect(Set(try held.udp[1].send().map(\.result)) == ["ok"])
    }
}

/// The same by a daemon with the rights of packaging/swiftlet.service.
@Suite(
    "backends that went away, with the least rights", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, rights: .least))
struct GoneBackendLeastRightsTests {
    @Test("without the right to enter namespaces the node's own are destroyed, and status says so")
    func withoutRights() throws {
        let node = try TestNode.current
        try node.write(GoneBackendTests.services([Manifest.pods4[0]]), to: "gone.yaml")
        try node.start()
        defer { _ = try? node.stop() }
        let held = try GoneBackendTests.Held(node)
        try node.write(GoneBackendTests.services([Manifest.pods4[1]]), to: "gone.yaml")
        try GoneBackendTests.settle(node, ["UDP": 20])
        #expect(Set(try held.udp[0].send().map(\.result)) == [GoneBackendTests.aborted])
        #expect(Set(try held.udp[1].send().map(\.result)) == ["ok"])
        let text = try node.swiftlet("status").output
        #expect(text.contains("pods' are left alone: cannot enter network namespace"), "\(text)")
        #expect(text.contains("grant CAP_SYS_ADMIN"))
    }

    @Test("a process with the right to enter namespaces, and no other, does it for the daemon")
    func withNamespaces() throws {
        let node = try TestNode.current
        try node.write(GoneBackendTests.services([Manifest.pods4[0]]), to: "gone.yaml")
        try node.start()
        defer { _ = try? node.stop() }
        let lender = try RunningProcess(lending(node), in: node.lab.node.path)
        defer { _ = try? lender.terminate() }
        #expect(try eventually { FileManager.default.fileExists(atPath: "\(node.runDirectory)/namespaces.sock") })
        let held = try GoneBackendTests.Held(node)
        try held.expect(udp: "ok", annotated: "ok", "before")
        try node.write(GoneBackendTests.services([Manifest.pods4[1]]), to: "gone.yaml")
        try GoneBackendTests.settle(node, ["UDP": 60, "TCP": 3])
        try held.expect(udp: GoneBackendTests.aborted, annotated: "ECONNABORTED", "by the other process")
        // The node's own are looked at by the daemon itself, which may not connect them again.
        for (place, flows) in zip(["pod 2", "pod 3"], held.udp.dropFirst()) {
            let results = Set(try flows.send().map(\.result))
            #expect(results == ["ok"], "who looks at no error goes on: \(place)")
        }
        let status = try node.status()
        #expect(status.degraded == [])
        #expect(status.daemon?.sockets?.lender == "swiftlet namespaces")
        #expect(status.daemon?.sockets?.confinement == nil)
        // It stays in no pod's namespace, which would live on with it when the pod has ended. It may be in one now: the
        // daemon looks again in a while.
        let home = try FileManager.default.attributesOfItem(atPath: node.lab.node.path)[.systemFileNumber] as? UInt64
        let isHome = try eventually {
            let there = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(lender.pid)/ns/net")
            return there == "net:[\(home ?? 0)]"
        }
        #expect(isHome, "not in \(home ?? 0)")
        _ = try lender.terminate()
        #expect(try node.status().daemon?.sockets?.confinement != nil, "it is gone")
    }

    @Test(
        "a connect of TCP that waits in a pod when its Service comes is ended through it",
        arguments: [1_500_000, 200_000])
    func waitingConnect(microseconds: UInt32) throws {
        let node = try TestNode.current
        try node.start()
        defer { _ = try? node.stop() }
        let lender = try RunningProcess(lending(node), in: node.lab.node.path)
        defer { _ = try? lender.terminate() }
        #expect(try eventually { FileManager.default.fileExists(atPath: "\(node.runDirectory)/namespaces.sock") })
        // Nobody answers, not even with an error.
        for address in ["10.96.0.46", "fd00:96::46"] {
            try Command.run("nsenter", "--net=\(node.lab.node.path)", "ip", "route", "replace", "blackhole", address)
        }
        let targets = ["10.96.0.46:80", "[fd00:96::46]:80"]
        let calls = try targets.map { try node.start([Programs.lab, "call", $0, "--timeout", "9000"], at: .pod(2)) }
        let bystander = try node.start([Programs.lab, "call", "10.96.0.47:80", "--timeout", "4000"], at: .pod(2))
        usleep(microseconds)
        let ports = ["{name: web, port: 8080, protocol: TCP}"]
        try node.write(
            Manifest.file(
                Manifest.service("late", ["10.96.0.46", "fd00:96::46"], ports: ["{name: web, port: 80}"]),
                Manifest.slice("late", Manifest.pods4, ports: ports),
                Manifest.slice("late", Manifest.pods6, ports: ports)), to: "late.yaml")
        defer { try? node.remove("late.yaml") }
        for call in calls {
            let report = try JSONDecoder().decode(CallReport.self, from: Data(call.readToEnd().utf8))
            #expect(report.results == ["ECONNABORTED"], "\(report.attempts)")
            _ = try call.wait()
        }
        let other = try JSONDecoder().decode(CallReport.self, from: Data(bystander.readToEnd().utf8))
        #expect(other.results != ["ECONNABORTED"], "it waits for nothing of ours")
        _ = try bystander.wait()
        let isTold = try eventually { node.logText.contains("ended connects that waited for new Services") }
        #expect(isTold, "\(node.logText)")
    }

    /// With two capabilities, as the daemon's user.
    private func lending(_ node: TestNode) -> [String] {
        let user = "\(DaemonRights.user)"
        let rights = "-all,+sys_admin,+sys_ptrace"
        return [
            "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=\(rights)",
            "--ambient-caps=\(rights)", "--bounding-set=\(rights)", "--no-new-privs", "--", Programs.swiftlet,
            "namespaces", "--bpf-root", node.bpfRoot,
        ]
    }
}
