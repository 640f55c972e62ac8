import Foundation
import NetworkLab
import Testing

private let udp = ["{name: echo, port: 53, protocol: UDP}"]
private let sliced = ["{name: echo, port: 5310, protocol: UDP}"]

/// Services with one and the same only endpoint, in pod 2, and one with another one, too.
private let shared =
    [("first", 81, 1...1), ("second", 82, 1...1), ("third", 83, 1...1), ("both", 84, 1...2)].flatMap {
        (name: String, number: Int, pods: ClosedRange<Int>) in
        [
            Manifest.service(name, ["10.96.0.\(number)", "fd00:96::\(number)"], ports: udp),
            Manifest.slice(name, Array(Manifest.pods4[pods]), ports: sliced),
            Manifest.slice(name, Array(Manifest.pods6[pods]), ports: sliced),
        ]
    }.joined(separator: "\n---\n")

/// A client's socket as a program has it.
private enum Form: String, CaseIterable {
    case ip4, mapped, ip6

    func vip(_ number: Int) -> String {
        switch self {
        case .ip4: "10.96.0.\(number)"
        case .mapped: "::ffff:10.96.0.\(number)"
        case .ip6: "fd00:96::\(number)"
        }
    }

    var pod: SocketAddress? {
        SocketAddress(host: self == .ip6 ? Manifest.pods6[1] : Manifest.pods4[1], port: 5310)
    }
}

/// A program in pod 1 with one unconnected socket: it sends what it reads, and says what it hears.
private struct Asker {
    private let process: RunningProcess

    private static let program = """
        import socket, sys
        s = socket.socket(socket.AF_INET if sys.argv[1] == "ip4" else socket.AF_INET6, socket.SOCK_DGRAM)
        s.settimeout(2)
        for line in sys.stdin:
            words = line.split()
            try:
                if words[0] == "ask":
                    s.sendto(words[1].encode(), (words[2], int(words[3])))
                    print("sent", flush=True)
                else:
                    data, source = s.recvfrom(100)
                    print(data.decode(), source[0], source[1], flush=True)
            except OSError as e:
                print(e, flush=True)
        """

    init(_ form: Form, on node: TestNode) throws {
        process = try RunningProcess(
            ["python3", "-c", Self.program, form.rawValue], in: node.namespace(of: .pod(1)),
            cgroup: node.cgroup.path, input: .pipe)
    }

    func ask(_ question: String, at host: String, port: Int = 53) throws {
        try process.write("ask \(question) \(host) \(port)\n")
        #expect(try process.readLine() == "sent")
    }

    func hear() throws -> String {
        try process.write("hear\n")
        return try process.readLine()
    }
}

/// The endpoint in pod 2: it answers when it is told to, with the same bytes.
private struct Endpoint: ~Copyable {
    private let socket: Socket
    private var open: [(bytes: [UInt8], from: SocketAddress)] = []

    init(_ form: Form, on node: TestNode) throws {
        let address = try #require(form.pod)
        socket = try node.lab.pods[1].namespace.run {
            let socket = try Socket(.udp, v4: address.isV4)
            try socket.setTimeout(milliseconds: 2_000)
            try socket.bind(to: address)
            return socket
        }
    }

    /// - Returns: the ports that they come from.
    @discardableResult
    mutating func take(_ count: Int) throws -> [UInt16] {
        open = try (0..<count).map { _ in
            let (bytes, source) = try socket.receive()
            return (bytes, try #require(source))
        }
        return open.map(\.from.port)
    }

    func answer(_ order: [Int]) throws {
        for number in order { try socket.send(open[number].bytes, to: open[number].from) }
    }
}

private func counted(_ reason: String) throws -> Int { try TestNode.current.status().counters[reason] ?? 0 }

/// One unconnected UDP socket of a pod asks two VIPs that lead to one endpoint, before the first has answered.
@Suite(
    "two VIPs of one socket with one only endpoint, with programs on the pod's device", .tags(.endToEnd), .endToEnd,
    .serialized, .enabled(if: RealProgramTests.has("python3"), "no python3"),
    .node(pods: 3, flags: ["--pod-interfaces", "auto"], manifests: ["shared.yaml": shared]))
struct PartedVIPTests {
    @Test(
        "each answer shows the VIP that was asked, in whatever order", arguments: Form.allCases,
        [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    fileprivate func inFlight(form: Form, order: [Int]) throws {
        let node = try TestNode.current
        var endpoint = try Endpoint(form, on: node)
        let asker = try Asker(form, on: node)
        let before = try counted("pass_host_only")
        for round in 0..<3 {
            for number in 0..<3 { try asker.ask("\(round)/\(number)", at: form.vip(81 + number)) }
            let ports = try endpoint.take(3)
            #expect(Set(ports).count == 3, "the endpoint sees three clients")
            try endpoint.answer(order)
            for number in order {
                #expect(try asker.hear() == "\(round)/\(number) \(form.vip(81 + number)) 53")
            }
        }
        #expect(try counted("pass_host_only") == before + 6, "the first VIP is served by the socket")
        withExtendedLifetime(asker) {}
    }

    @Test("a VIP with a free endpoint is the socket's, and one with none left is not", arguments: Form.allCases)
    fileprivate func free(form: Form) throws {
        let node = try TestNode.current
        var endpoint = try Endpoint(form, on: node)
        let asker = try Asker(form, on: node)
        let before = try counted("pass_host_only")
        try asker.ask("a", at: form.vip(81))
        try endpoint.take(1)
        try endpoint.answer([0])
        #expect(try asker.hear() == "a \(form.vip(81)) 53")
        try asker.ask("b", at: form.vip(84))
        #expect(try counted("pass_host_only") == before, "pod 3 is free")
        try asker.ask("c", at: form.vip(82))
        try endpoint.take(1)
        try endpoint.answer([0])
        #expect(try asker.hear() == "c \(form.vip(82)) 53")
        #expect(try counted("pass_host_only") == before + 1)
        withExtendedLifetime(asker) {}
    }

    @Test("the one that is asked first is the socket's, in each socket", arguments: Form.allCases)
    fileprivate func again(form: Form) throws {
        let node = try TestNode.current
        var endpoint = try Endpoint(form, on: node)
        for _ in 0..<3 {
            let asker = try Asker(form, on: node)
            try asker.ask("a", at: form.vip(82))
            try asker.ask("b", at: form.vip(81))
            try endpoint.take(2)
            try endpoint.answer([1, 0])
            #expect(try asker.hear() == "b \(form.vip(81)) 53")
            #expect(try asker.hear() == "a \(form.vip(82)) 53")
        }
    }
}

@Suite(
    "two VIPs of one socket with one only endpoint, without", .tags(.endToEnd), .endToEnd, .serialized,
    .enabled(if: RealProgramTests.has("python3"), "no python3"),
    .node(pods: 3, manifests: ["shared.yaml": shared]))
struct SharedEndpointTests {
    @Test("one after the other each answer is right, and none is lost", arguments: Form.allCases)
    fileprivate func inTurn(form: Form) throws {
        let node = try TestNode.current
        var endpoint = try Endpoint(form, on: node)
        let asker = try Asker(form, on: node)
        for round in 0..<3 {
            for number in 0..<3 {
                try asker.ask("\(round)/\(number)", at: form.vip(81 + number))
                try endpoint.take(1)
                try endpoint.answer([0])
                #expect(try asker.hear() == "\(round)/\(number) \(form.vip(81 + number)) 53")
            }
        }
        #expect(try counted("pass_host_only") == 0)
        withExtendedLifetime(asker) {}
    }
}

/// Programs may be on devices of pods, but not on this one's.
@Suite(
    "two VIPs of one socket with one only endpoint, with programs elsewhere", .tags(.endToEnd), .endToEnd, .serialized,
    .enabled(if: RealProgramTests.has("python3"), "no python3"),
    .node(pods: 3, flags: ["--pod-interfaces", "pod-3"], manifests: ["shared.yaml": shared]))
struct UnseenWayTests {
    @Test("one datagram is lost on trial, and then it is as without", arguments: [Form.ip4, .ip6])
    fileprivate func trial(form: Form) throws {
        let node = try TestNode.current
        var endpoint = try Endpoint(form, on: node)
        for round in 0..<3 {
            let asker = try Asker(form, on: node)
            for number in 0..<3 {
                try asker.ask("\(number)", at: form.vip(81 + number))
                if round == 0 && number == 1 {
                    #expect(throws: (any Error).self, "the trial") { try endpoint.take(1) }
                    continue
                }
                try endpoint.take(1)
                try endpoint.answer([0])
                #expect(try asker.hear() == "\(number) \(form.vip(81 + number)) 53")
            }
        }
        #expect(try counted("pass_host_only") == (form == .ip4 ? 1 : 2))
    }
}
