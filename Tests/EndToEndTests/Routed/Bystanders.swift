import Foundation
import NetworkLab
import Testing

/// Connections that are no Service's: what a proxy must leave alone, whatever flows it has. All must be answered.
///
/// Each is made from the very address and port that a flow has, or had, towards the same endpoint.
struct Bystanders {
    let node: RoutedNode
    let family: IPVersion

    /// Where a connection straight to an endpoint comes from.
    enum Owner: Equatable {
        case node
        case client
    }

    /// What an endpoint sees of a client: the node, or the client itself.
    func owner(of seen: SocketAddress) throws -> Owner {
        if family.nodeAddresses.contains(seen.host) { return .node }
        if family.clients.contains(seen.host) { return .client }
        throw TestFailure("an endpoint sees \(seen), which is neither the node nor a client")
    }

    /// Calls an endpoint straight from an address and port that a flow to it has in the endpoint's eyes.
    func callStraight(_ pod: RoutedService.PodName, from seen: SocketAddress, udp: Bool) throws -> CallReport {
        let options = ["--bind", seen.host, "--source-port", "\(seen.port)", "--timeout", "5000"] + Self.transport(udp)
        let endpoint = family.endpoint(pod.address(family), 8080)
        switch try owner(of: seen) {
        case .node: return try node.callFromNode(endpoint, options: options)
        case .client: return try node.call(endpoint, options: options)
        }
    }

    /// `udp` as options of `swiftlet-lab`.
    static func transport(_ udp: Bool) -> [String] { udp ? ["--udp"] : [] }

    /// The node to each endpoint, as the kubelet probes, and to a ClusterIP.
    func expectProbesAnswered(_ occasion: String) throws {
        for pod in [RoutedService.localPods[0], RoutedService.remotePods[0]] {
            let endpoint = family.endpoint(pod.address(family), 8080)
            for udp in [false, true] {
                let probes = try node.callFromNode(
                    endpoint, options: ["--count", "10", "--timeout", "5000"] + Self.transport(udp))
                #expect(probes.results == ["ok"], "\(occasion): node → \(pod.text), \(probes.summary)")
                #expect(probes.pods == [pod.text])
            }
        }
        let calls = try node.callFromNode(
            RoutedService["remote"].door(.clusterIP, family), options: ["--count", "10", "--timeout", "5000"])
        #expect(calls.results == ["ok"], "\(occasion): node → ClusterIP, \(calls.summary)")
    }

    // MARK: What may meet them

    /// Services by which a flow gets to an endpoint elsewhere and to one of this node, with either protocol.
    static let meetings = [("remote", false), ("near", false), ("remote-udp", true), ("near-udp", true)]
    /// And to one that sees the client.
    private static let allMeetings = meetings + [("kept", false), ("kept-udp", true)]

    /// Flows that are over leave the endpoint to the next connection, even at once and from the same port.
    func expectPortsReturned() throws {
        for (name, udp) in Self.allMeetings {
            let service = try RoutedService[name]
            let calls = try node.call(
                service.door(.nodePort, family), options: ["--count", "3", "--timeout", "5000"] + Self.transport(udp))
            #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
            for attempt in calls.attempts {
                let seen = try #require(attempt.client.flatMap { SocketAddress($0) })
                let straight = try callStraight(service.pods[0], from: seen, udp: udp)
                #expect(straight.results == ["ok"], "\(name): from \(seen), \(straight.summary)")
            }
        }
        try expectProbesAnswered("after flows")
    }

    /// A client that used a NodePort goes straight to the endpoint, from the same port: at once, and while a flow lives.
    func expectClientsPortsFree() throws {
        for (number, (name, udp)) in zip(41_000..., Self.allMeetings) {
            let service = try RoutedService[name]
            let options =
                ["--bind", family.clients[1], "--source-port", "\(number)", "--timeout", "5000"] + Self.transport(udp)
            let endpoint = family.endpoint(service.pods[0].address(family), 8080)
            for _ in 0..<2 {
                let calls = try node.call(service.door(.nodePort, family), options: options)
                #expect(calls.results == ["ok"], "\(name): \(calls.summary)")
                let straight = try node.call(endpoint, options: options)
                #expect(straight.results == ["ok"], "\(name): straight to the endpoint, \(straight.summary)")
            }
        }
    }

    /// A flow that lives, and a connection from its port to its endpoint: both go on.
    func expectLivingFlowsShared() throws {
        for (number, (name, udp)) in zip(43_000..., Self.allMeetings) {
            let service = try RoutedService[name]
            // Bound: then a socket to another address may have its port, too.
            let from = ["--bind", family.clients[3], "--source-port", "\(number)", "--timeout", "5000"]
            let flow = try HeldFlows(
                node.hold(service.door(.nodePort, family), options: from + Self.transport(udp)))
            let seen = try #require(try flow.send().first?.client.flatMap { SocketAddress($0) }, "\(name)")
            for _ in 0..<2 {
                let straight = try callStraight(service.pods[0], from: seen, udp: udp)
                #expect(straight.results == ["ok"], "\(name): from \(seen), \(straight.summary)")
                #expect(try flow.send().map(\.result) == ["ok"], "\(name): the flow from \(seen)")
            }
        }
    }

    /// A client has a connection to a pod, and from the same port calls a NodePort that leads to that pod.
    func expectOlderConnectionKept() throws {
        for (number, (name, udp)) in zip(42_000..., Self.allMeetings) {
            let service = try RoutedService[name]
            let from = ["--bind", family.clients[2], "--source-port", "\(number)", "--timeout", "5000"]
            let options = from + Self.transport(udp)
            let straight = try HeldFlows(
                node.hold(family.endpoint(service.pods[0].address(family), 8080), options: options))
            #expect(try straight.send().map(\.result) == ["ok"], "\(name): before")
            let flow = try HeldFlows(node.hold(service.door(.nodePort, family), options: options))
            for _ in 0..<2 {
                #expect(try flow.send().map(\.result) == ["ok"], "\(name): the NodePort's flow")
                #expect(try straight.send().map(\.result) == ["ok"], "\(name): the older connection")
            }
        }
    }

    /// A pod that the CNI masquerades meets a living flow at its endpoint, with the node's address and the flow's port.
    func expectMasqueradedPodsServed() throws {
        let pod = RoutedService.localPods[2]
        let rules = try ForeignRules.masquerade(of: pod, "", in: node.topology.node.path)
        for (name, udp) in Self.allMeetings where name.hasPrefix("remote") {
            let service = try RoutedService[name]
            let flow = try HeldFlows(
                node.hold(service.door(.nodePort, family), options: ["--timeout", "5000"] + Self.transport(udp)))
            let seen = try #require(try flow.send().first?.client.flatMap { SocketAddress($0) }, "\(name)")
            let from = ["--bind", pod.address(family), "--source-port", "\(seen.port)", "--timeout", "5000"]
            let endpoint = family.endpoint(service.pods[0].address(family), 8080)
            for _ in 0..<2 {
                let calls = try node.call(fromPod: pod.number, endpoint, options: from + Self.transport(udp))
                #expect(calls.results == ["ok"], "\(name): from port \(seen.port), \(calls.summary)")
                #expect(calls.sources == [family.node], "\(name): the CNI's rule holds")
                #expect(try flow.send().map(\.result) == ["ok"], "\(name): the flow from \(seen)")
            }
        }
        withExtendedLifetime(rules) {}
    }

    // MARK: Answers from outside

    private var outside: String { family.endpoint(family.clients[0], 9000) }

    /// The node calls something outside from ports that are NodePorts too; the answers are the node's.
    func expectNodeAnswered() throws {
        for (name, udp) in [("web", false), ("remote", false), ("dns", true), ("remote-udp", true)] {
            let port = try RoutedService[name].nodePort
            let calls = try node.call(
                fromPod: nil, outside,
                options: ["--bind", family.node, "--source-port", "\(port)", "--timeout", "5000"]
                    + Self.transport(udp))
            #expect(calls.results == ["ok"], "from NodePort \(port): \(calls.summary)")
            #expect(calls.pods == ["outside"])
        }
    }

    /// Pods call something outside, behind a masquerade that takes its ports where NodePorts are.
    func expectPodsAnswered() throws {
        let pod = RoutedService.localPods[2]
        for how in ["", "to :30050-30095 fully-random"] {
            let rules = try ForeignRules.masquerade(of: pod, how, in: node.topology.node.path)
            for udp in [false, true] {
                let calls = try node.call(
                    fromPod: pod.number, outside, options: ["--count", "30", "--timeout", "5000"] + Self.transport(udp))
                #expect(calls.results == ["ok"], "masquerade \(how): \(calls.summary)")
                #expect(calls.pods == ["outside"] && calls.sources == [family.node], "masquerade \(how)")
            }
            withExtendedLifetime(rules) {}
        }
    }

    // MARK: Frontends that come late

    /// Connections are open to a process of the node and, by the node, to a pod, when a NodePort and an external IP with
    /// their address and port appear: these go on, and what begins afterwards is the Service's (spec 27).
    func expectOpenConnectionsKept() throws {
        let late = RoutedService.late[0]
        let listener = try RunningProcess(
            [Programs.lab, "serve", "--name", "listener", "--tcp", "\(late.nodePort)", "--udp", "\(late.nodePort)"],
            in: node.topology.node.path)
        _ = try listener.readLine()
        defer { _ = try? listener.terminate() }
        let doors = [late.door(.nodePort, family), late.door(.externalIP, family)]
        let options = [["--timeout", "5000"], ["--timeout", "5000", "--udp"]]
        let held = try doors.flatMap { door in try options.map { try HeldFlows(node.hold(door, options: $0)) } }
        let pods = try held.map { try $0.send().map(\.pod) }
        #expect(pods == [["listener"], ["listener"], ["pod-1-2"], ["pod-1-2"]])
        try node.serve(RoutedService.all + RoutedService.late)
        defer { try? node.serve(RoutedService.all) }
        for door in doors {
            #expect(
                try eventually(within: 30_000) { try node.call(door, "--timeout", "5000").pods == ["pod-2-2"] },
                "\(door) leads to the Service")
        }
        for (flow, pods) in zip(held, pods) {
            let after = try flow.send()
            #expect(after.map(\.result) == ["ok"] && after.map(\.pod) == pods, "\(pods): \(after)")
        }
    }

    // MARK: A full table

    /// Idle connections outlive many times as many short ones as the table has places.
    func expectIdleConnectionsKept(beside short: Int) throws {
        let idle = try HeldFlows(
            node.hold(RoutedService["remote"].door(.nodePort, family), "--connections", "30", "--timeout", "5000"))
        let calls = try node.call(
            RoutedService["web"].door(.nodePort, family), "--count", "\(short)", "--timeout", "5000")
        #expect(calls.results == ["ok"], "\(calls.summary)")
        let results = try idle.send().map(\.result)
        #expect(results == Array(repeating: "ok", count: 30))
        try expectProbesAnswered("after \(short) short connections")
    }
}
