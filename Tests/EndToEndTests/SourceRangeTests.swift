import Foundation
import NetworkLab
import Testing

private let ports = ["{name: http, port: 80, targetPort: 8080}", "{name: echo, port: 53, protocol: UDP}"]

/// A load balancer's Service for both families that only these sources may use.
private func gate(_ name: String, _ number: Int, ranges: [String]) -> String {
    let slicePorts = ["{name: http, port: 8080, protocol: TCP}", "{name: echo, port: 8080, protocol: UDP}"]
    return Manifest.file(
        Manifest.service(
            name, ["10.96.0.\(number)", "fd00:96::\(number)"], ports: ports,
            spec: """
                type: LoadBalancer
                externalIPs: [198.51.100.\(number)]
                loadBalancerSourceRanges: [\(ranges.map { "\"\($0)\"" }.joined(separator: ", "))]
                """,
            ingress: ["203.0.113.\(number)", "2001:db8:10::\(number)"]),
        Manifest.slice(name, Manifest.pods4, ports: slicePorts),
        Manifest.slice(name, Manifest.pods6, ports: slicePorts))
}

private let podTwo = ["10.244.0.12/32", "fd00:10:244::12/128"]

/// `gated` admits the second pod, and not the node; `homely` admits the node's network (spec 24).
@Suite(
    "source ranges", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3, flags: ["--max-source-ranges", "16", "--map-memory-limit", "0"],
        manifests: [
            "gated.yaml": gate("gated", 20, ranges: podTwo),
            "homely.yaml": gate("homely", 21, ranges: ["192.0.2.0/24", "2001:db8::/64"]),
            "live.yaml": gate("live", 22, ranges: podTwo),
        ]))
struct SourceRangeTests {
    /// A question to a load balancer's address, by the number of the Service.
    struct Question: Sendable, CustomTestStringConvertible {
        var isV4: Bool
        var port: Int
        var options: [String]
        var testDescription: String { ([isV4 ? "IPv4" : "IPv6", ":\(port)"] + options).joined(separator: " ") }

        func target(_ number: Int) -> String {
            isV4 ? "203.0.113.\(number):\(port)" : "[2001:db8:10::\(number)]:\(port)"
        }

        func pod(_ number: Int) -> String { isV4 ? "10.244.0.1\(number)" : "fd00:10:244::1\(number)" }
    }

    static let questions = [true, false].flatMap { isV4 in
        [
            Question(isV4: isV4, port: 80, options: []), Question(isV4: isV4, port: 53, options: ["--udp"]),
            Question(isV4: isV4, port: 53, options: ["--udp", "--unconnected"]),
        ] + (isV4 ? [Question(isV4: true, port: 80, options: ["--mapped"])] : [])
    }

    @Test("a bound socket is refused outside the ranges, at once, and served inside", arguments: questions)
    func bound(question: Question) throws {
        let node = try TestNode.current
        func call(_ pod: Int) throws -> CallReport {
            try node.call(
                question.target(20), options: question.options + ["--bind", question.pod(pod), "--count", "3"],
                from: .pod(pod))
        }
        #expect(try call(2).results == ["ok"])
        let refused = try call(1)
        // A connect of UDP sends nothing, and refuses nothing (spec 55): there silence answers, as with kube-proxy.
        if question.options == ["--udp"] { return #expect(!refused.results.contains("ok")) }
        #expect(refused.results == ["ECONNREFUSED"])
        #expect(refused.attempts.compactMap(\.stage).allSatisfy { $0 != "receive" }, "not by waiting for an answer")
    }

    @Test("the node's sockets are served where a range holds the node, bound or not", arguments: questions)
    func node(question: Question) throws {
        let node = try TestNode.current
        let own = question.isV4 ? "192.0.2.1" : "2001:db8::1"
        for options in [question.options, question.options + ["--bind", own]] {
            let report = try node.call(question.target(21), options: options + ["--timeout", "5000"], from: .node)
            #expect(report.results == ["ok"], "\(options) \(report.attempts)")
            let refused = try node.call(question.target(20), options: options, from: .node).results
            #expect(question.options == ["--udp"] ? !refused.contains("ok") : refused == ["ECONNREFUSED"])
        }
    }

    @Test(
        "a pod's socket that is not bound has no source yet: its packets are held against the ranges",
        arguments: questions)
    func unbound(question: Question) throws {
        let node = try TestNode.current
        #expect(FileManager.default.fileExists(atPath: node.link("egress")))
        let refused = try node.call(
            question.target(20), options: question.options + ["--timeout", "300"], from: .pod(1))
        #expect(!refused.results.contains("ok"), "\(refused.attempts)")
        let served = try node.call(
            question.target(20), options: question.options + ["--timeout", "5000"], from: .pod(2))
        #expect(served.results == ["ok"], "\(served.attempts)")
    }

    @Test("monitor tells of packets that are dropped for their source", arguments: [true, false])
    func told(isV4: Bool) throws {
        struct Record: Decodable {
            var kind, reason: String
            var vip, client, backend, service: String?
        }
        let node = try TestNode.current
        let command = ["monitor", "-o", "json", "--refused", "--service", "gated", "--bpf-root", node.bpfRoot]
        let monitor = try RunningProcess([Programs.swiftlet] + command, in: node.namespace(of: .node), input: .null)
        #expect(try eventually { try node.isListenedTo() })
        for options in [[], ["--udp"], ["--udp", "--unconnected"]] {
            let question = Question(isV4: isV4, port: options == [] ? 80 : 53, options: options)
            _ = try node.call(question.target(20), options: options + ["--timeout", "300"], from: .pod(1))
            var record: Record
            repeat {
                record = try JSONDecoder().decode(Record.self, from: Data(monitor.readLine(within: 20_000).utf8))
                #expect(record.kind == "packet" && record.reason == "refuse_source")
                #expect(record.service == "default/gated")
                #expect(record.client?.contains(question.pod(1)) == true && record.backend?.hasSuffix(":8080") == true)
                // A SYN that is sent again comes late, among the datagrams.
            } while options != [] && record.vip == Question(isV4: isV4, port: 80, options: []).target(20)
            #expect(record.vip == (options.contains("--unconnected") ? nil : question.target(20)), "\(options)")
        }
        _ = try monitor.terminate()
    }

    @Test("explain --pid judges by the source that the process would have", arguments: ["203.0.113", "[2001:db8:10:"])
    func explained(start: String) throws {
        let node = try TestNode.current
        func explain(_ number: Int, from place: TestNode.Place) throws -> String {
            let process = try RunningProcess(["sleep", "60"], in: node.namespace(of: place), cgroup: node.cgroup.path)
            defer { _ = try? process.terminate() }
            // It enters its cgroup before it becomes what it is to be.
            let name = "/proc/\(process.pid)/comm"
            #expect(try eventually { try String(contentsOfFile: name, encoding: .utf8) == "sleep\n" })
            let address = start.hasPrefix("[") ? "\(start):\(number)]:80" : "\(start).\(number):80"
            return try Programs.run(
                [Programs.swiftlet, "explain", address, "--pid", "\(process.pid)", "--bpf-root", node.bpfRoot],
                in: node.lab.node.path
            ).output
        }
        let refused = try explain(20, from: .pod(1))
        let source = start.hasPrefix("[") ? "fd00:10:244::11" : "10.244.0.11"
        #expect(refused.contains("does not admit \(source); add a range"), "\(refused)")
        #expect(try explain(20, from: .pod(2)).contains("works: it leads to"))
        #expect(try explain(20, from: .node).contains("does not admit an address of this node's Node object"))
        #expect(try explain(21, from: .node).contains("works: it leads to"))
    }

    @Test("the other addresses of the Service are open to all")
    func others() throws {
        let node = try TestNode.current
        for target in ["10.96.0.20:80", "198.51.100.20:80", "[fd00:96::20]:80"] {
            #expect(try node.call(target, from: .node).results == ["ok"])
        }
    }

    @Test("a refusal is counted by its reason and for its Service, and services names the sources")
    func counts() throws {
        let node = try TestNode.current
        func refused() throws -> (reason: Int, service: Int) {
            let port = try node.services()["gated"]?.ports.first { $0.name == "http" && $0.family == 4 }
            return (try node.status().counters["refuse_source"] ?? 0, port?.connections.refusedByReason["source"] ?? 0)
        }
        let before = try refused()
        _ = try node.call("203.0.113.20:80", "--count", "5", from: .node)
        let after = try refused()
        #expect(after.reason - before.reason == 5 && after.service - before.service == 5)
        let port = try #require(try node.services()["gated"]?.ports.first { $0.name == "http" && $0.family == 6 })
        #expect(port.sourceRanges == ["fd00:10:244::12/128"])
        let text = try node.swiftlet("services", "homely").output
        #expect(text.contains("sources:   192.0.2.0/24,203.0.113.21/32\n"), "the VIP itself is admitted: \(text)")
        #expect(text.contains("frontend:  203.0.113.21:80/TCP  LoadBalancer, balance, Cluster, for these sources only"))
        #expect(text.contains("frontend:  10.96.0.21:80/TCP  ClusterIP, balance, Cluster\n"))
        let dump = try node.swiftlet("maps", "dump").output
        #expect(dump.contains("source default/gated:http TCP IPv4 10.244.0.12/32\n"))
        #expect(try node.status().maps.first { $0.name == "source_ranges4" }?.capacity == 16)
    }

    @Test("ranges change while clients connect: whom both admit is never refused")
    func changes() throws {
        let node = try TestNode.current
        let load = try node.startLoad(
            "203.0.113.22:80", ["--rate", "300", "--seconds", "60", "--bind", "10.244.0.12"], from: .pod(2))
        func isServed(_ pod: Int) throws -> Bool {
            try node.call("203.0.113.22:80", "--bind", "10.244.0.1\(pod)", from: .pod(pod)).results == ["ok"]
        }
        for ranges in [podTwo + ["10.244.0.13/32"], ["10.244.0.8/29"], [], ["10.244.0.12/32"]] {
            try node.write(gate("live", 22, ranges: ranges), to: "live.yaml")
            let others =
                ranges.isEmpty ? [1, 3] : ranges.contains("10.244.0.8/29") ? [1, 3] : ranges.count > 1 ? [3] : []
            for pod in [1, 3] {
                let wanted = others.contains(pod)
                #expect(try eventually { try isServed(pod) == wanted }, "pod \(pod) with \(ranges)")
            }
        }
        let report = try node.finish(load: load, now: true)
        #expect(report.failed == [:] && report.ok > 0, "\(report.failures)")
    }

    @Test("ranges that do not fit leave the Service unprogrammed, and status says what to do")
    func full() throws {
        let node = try TestNode.current
        let ranges = (1...20).map { "10.9.\($0).0/24" }
        try node.write(gate("wide", 23, ranges: ranges), to: "wide.yaml")
        let isSaid = try eventually {
            try node.status().degraded.contains { $0.contains("default/wide") }
                && node.logText.contains("raise --max-source-ranges")
        }
        #expect(isSaid)
        #expect(try node.call("203.0.113.20:80", "--bind", "10.244.0.12", from: .pod(2)).results == ["ok"])
        try node.remove("wide.yaml")
        _ = try eventually { try node.status().degraded == [] }
        #expect(try node.status().degraded == [])
    }
}

/// The Node says where pods are.
@Suite(
    "source ranges and the ranges of pods", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3,
        manifests: [
            "node.yaml": Manifest.node + "\nspec: {podCIDRs: [10.244.0.0/16, \"fd00:10:244::/64\"]}",
            "all.yaml": gate("all", 20, ranges: ["10.244.0.0/16", "fd00:10:244::/48"]),
            "none.yaml": gate("none", 21, ranges: ["198.51.100.0/24", "2001:db8:99::/64"]),
        ]))
struct PodRangeTests {
    @Test(
        "all pods inside or none: the socket decides, and no packet is looked at", arguments: SourceRangeTests.questions
    )
    func decided(question: SourceRangeTests.Question) throws {
        let node = try TestNode.current
        #expect(!FileManager.default.fileExists(atPath: node.link("egress")))
        let served = try node.call(
            question.target(20), options: question.options + ["--timeout", "5000"], from: .pod(1))
        #expect(served.results == ["ok"], "\(served.attempts)")
        let refused = try node.call(question.target(21), options: question.options, from: .pod(1)).results
        #expect(question.options == ["--udp"] ? !refused.contains("ok") : refused == ["ECONNREFUSED"])
    }

    @Test(
        "a connected UDP socket that was refused goes on where it is when its source is admitted",
        arguments: [true, false])
    func widened(isV4: Bool) throws {
        let node = try TestNode.current
        let number = isV4 ? 23 : 24
        let vip = isV4 ? "203.0.113.\(number)" : "2001:db8:10::\(number)"
        let target = isV4 ? "\(vip):53" : "[\(vip)]:53"
        let pod = isV4 ? "10.244.0.11" : "fd00:10:244::11"
        let nobodys = ["198.51.100.0/24", "2001:db8:99::/64"]
        func write(_ ranges: [String]) throws {
            try node.write(gate("wide-\(number)", number, ranges: ranges), to: "wide-\(number).yaml")
        }
        func results(_ flows: [HeldFlows]) throws -> [Bool] { try flows.map { try $0.send().map(\.result) == ["ok"] } }
        func hold(_ place: TestNode.Place, _ options: String...) throws -> HeldFlows {
            try node.hold(target, options: ["--udp", "--timeout", "400"] + options, from: place)
        }
        // A connect needs a route, though nobody is there.
        let gateway = isV4 ? Lab.outsideAddress4 : Lab.outsideAddress6
        try Command.run("nsenter", "--net=\(node.lab.node.path)", "ip", "route", "add", vip, "via", gateway)
        try write(nobodys)
        defer { try? node.remove("wide-\(number).yaml") }
        #expect(try eventually { try node.services()["wide-\(number)"] != nil })
        let flows = [try hold(.pod(1)), try hold(.pod(1), "--bind", pod), try hold(.node)]
        #expect(try results(flows) == [false, false, false])
        try write(nobodys + ["10.244.0.0/16", "fd00:10:244::/48"])
        #expect(try eventually { try results(flows) == [true, true, false] }, "all pods are admitted")
        try write(nobodys)
        let late = [try hold(.pod(1)), try hold(.pod(1), "--bind", pod)]
        #expect(try results(flows + late) == [true, true, false, false, false], "who is admitted goes on")
        try write(nobodys + ["10.244.0.8/30", "fd00:10:244::11/128", "192.0.2.0/24", "2001:db8::/64"])
        #expect(try eventually { try results(flows + late) == [true, true, true, true, true] }, "some, and the node")
        let last = try hold(.pod(2))
        #expect(try results([last]) == [false])
        try write([])
        #expect(try eventually { try results([last]) == [true] }, "everybody")
        #expect(try last.send().map(\.peer) == [target])
    }

    @Test("packets are looked at while ranges hold some of the pods, and over a restart")
    func some() throws {
        let node = try TestNode.current
        func isServed(_ pod: Int) throws -> Bool {
            try node.call("203.0.113.22:80", "--timeout", "300", from: .pod(pod)).results == ["ok"]
        }
        func isLooking() -> Bool { FileManager.default.fileExists(atPath: node.link("egress")) }
        try node.write(gate("some", 22, ranges: podTwo), to: "some.yaml")
        #expect(try eventually { try isLooking() && isServed(2) })
        #expect(try !isServed(1))
        try node.stop()
        #expect(try isServed(2) && !isServed(1), "without the process")
        try node.start()
        #expect(try isLooking() && isServed(2) && !isServed(1))
        #expect(try node.status().pins == [])
        try node.remove("some.yaml")
        #expect(try eventually { !isLooking() })
        #expect(try node.call("203.0.113.20:80", from: .pod(1)).results == ["ok"])
    }
}

@Suite(
    "counters of backends", .tags(.endToEnd), .endToEnd,
    .node(
        pods: 3, flags: ["--metrics-per-backend", "true"], starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct BackendCounterTests {
    @Test("connects are counted by backend when it is asked for, also after a restart that turns it on")
    func counts() throws {
        let node = try TestNode.current
        func counts() throws -> [Int?] {
            let port = try node.services()["web"]?.ports.first { $0.family == 4 && $0.protocol == "TCP" }
            return port?.backends.map(\.forwarded) ?? []
        }
        let without = node.runArguments().dropFirst().filter { $0 != "--metrics-per-backend" && $0 != "true" }
        try node.start(with: Array(without))
        _ = try node.call("10.96.0.15:80", "--count", "9")
        #expect(try counts() == [nil, nil, nil])
        #expect(try node.status().maps.first { $0.name == "backend_counts" }?.capacity == 1)
        try node.stop()

        try node.start()
        #expect(try counts() == [0, 0, 0])
        let report = try node.call("10.96.0.15:80", "--count", "40")
        let spread = (1...3).map { report.summary.spread["pod-\($0)"] ?? 0 }
        #expect(try counts() == spread)
        #expect(try node.swiftlet("services", "web").output.contains("active, \(spread[0]) connections"))
        try node.stop()
        try node.start()
        #expect(try counts() == spread, "a restart keeps what was counted")
        #expect(try node.status().maps.first { $0.name == "backend_counts" }?.entries == spread.count { $0 > 0 })
    }
}
