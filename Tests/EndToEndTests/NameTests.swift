import Foundation
import NetworkLab
import TestKit
import Testing

/// What the suite below asks for.
enum NamedManifests {
    static let web = Manifest.file(
        Manifest.service("web", ["10.96.0.15", "fd00:96::15"], ports: ["{name: http, port: 80, targetPort: 8080}"]),
        Manifest.slice("web", Array(Manifest.pods4.prefix(2)), ports: ["{name: http, port: 8080, protocol: TCP}"]))

    /// Headless, with so many of the node's pods.
    static func db(pods: Int) -> String {
        Manifest.file(
            Manifest.service("db", ["None"], ports: ["{name: sql, port: 8080}"])
                .replacingOccurrences(of: "  ipFamilies: [\"IPv4\"]\n", with: ""),
            Manifest.slice("db", Array(Manifest.pods4.prefix(pods)), ports: ["{name: sql, port: 8080, protocol: TCP}"]))
    }

    static let out = Manifest.file(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: out}
        spec: {type: ExternalName, externalName: www.example.com}
        """)
}

extension NamedManifests {
    /// A headless Service of both families, with an endpoint that has a hostname and one that is not ready.
    static let pets = Manifest.file(
        Manifest.service("pets", ["None"], ports: ["{name: https, port: 8080}"])
            .replacingOccurrences(of: "  ipFamilies: [\"IPv4\"]\n", with: ""),
        """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: pets-1, labels: {kubernetes.io/service-name: pets}}
        addressType: IPv4
        ports: [{name: https, port: 8080, protocol: TCP}]
        endpoints:
        - {addresses: ["10.244.0.11"], hostname: my-pet}
        - {addresses: ["10.244.0.12"]}
        - {addresses: ["10.244.0.13"], conditions: {ready: false}}
        """,
        Manifest.slice("pets", ["fd00:10:244::11"], ports: ["{name: https, port: 8080, protocol: TCP}"]))

    /// Only what is not ready, with and without a wish to see it.
    static let ghosts = Manifest.file(
        Manifest.service("ghosts", ["None"], spec: "publishNotReadyAddresses: true")
            .replacingOccurrences(of: "  ipFamilies: [\"IPv4\"]\n", with: ""),
        Manifest.slice("ghosts", ["10.244.0.12"], endpoint: "conditions: {ready: false}"),
        Manifest.service("nothing", ["None"]).replacingOccurrences(of: "  ipFamilies: [\"IPv4\"]\n", with: ""),
        Manifest.slice("nothing", ["10.244.0.12"], endpoint: "conditions: {ready: false}"))
}

/// Names of Services as clients ask for them: dig, glibc's resolver, musl's.
@Suite(
    "names by DNS", .tags(.endToEnd), .endToEnd, .hasResolvers, .serialized,
    .node(
        pods: 2,
        flags: [
            "--dns-bind", "10.244.0.1", "--dns-bind", "fd00:10:244::1", "--dns-service-ip", "10.96.0.10,fd00:96::a",
            "--dns-upstream", Lab.outsideAddress4,
        ],
        manifests: [
            "web.yaml": NamedManifests.web, "db.yaml": NamedManifests.db(pods: 2), "out.yaml": NamedManifests.out,
            "pets.yaml": NamedManifests.pets, "ghosts.yaml": NamedManifests.ghosts,
        ]))
struct NameTests {
    private static let vips = ["10.96.0.10", "fd00:96::a"]

    /// The lines of `dig +short`, sorted; or its one line about what went wrong.
    private func dig(_ arguments: String..., at server: String = vips[0], from place: TestNode.Place = .node) throws
        -> [String]
    {
        try ask(["dig", "+short", "+time=3", "+tries=2", "@\(server)"] + arguments, from: place)
    }

    private func ask(_ command: [String], from place: TestNode.Place) throws -> [String] {
        let node = try TestNode.current
        let outcome = try Programs.run(
            command, in: node.namespace(of: place), cgroup: place == .outside ? nil : node.cgroup.path)
        return outcome.output.split(separator: "\n").map(String.init).sorted()
    }

    private func status(_ name: String, at server: String, from place: TestNode.Place) throws -> String {
        let lines = try ask(["dig", "+time=3", "+tries=2", "@\(server)", name], from: place)
        let head = lines.first { $0.contains("status: ") } ?? lines.joined(separator: " ")
        return head.firstMatch(of: #/status: ([A-Z]+)/#).map { String($0.1) } ?? head
    }

    @Test(
        "a VIP answers the node and its pods, over UDP and TCP, in both families; so does the address itself",
        arguments: [TestNode.Place.node, .pod(1)], vips + ["10.244.0.1", "fd00:10:244::1"])
    func asks(place: TestNode.Place, server: String) throws {
        #expect(try eventually { try dig("web.default.svc.cluster.local", at: server, from: place) == ["10.96.0.15"] })
        let name = "web.default.svc.cluster.local"
        #expect(try dig("+tcp", name, "AAAA", at: server, from: place) == ["fd00:96::15"])
        #expect(
            try dig("_http._tcp.\(name)", "SRV", at: server, from: place)
                == ["0 100 80 web.default.svc.cluster.local."])
        #expect(try status("nothing.default.svc.cluster.local", at: server, from: place) == "NXDOMAIN")
    }

    @Test("a name leads to a connection: of a Service to its VIP, of a headless one to each pod")
    func connects() throws {
        let node = try TestNode.current
        let vip = try #require(try dig("web.default.svc.cluster.local", from: .pod(1)).first)
        #expect(try node.call("\(vip):80", from: .pod(1)).results == ["ok"])
        let pods = try dig("db.default.svc.cluster.local", from: .pod(1))
        #expect(pods == Array(Manifest.pods4.prefix(2)))
        for (number, address) in pods.enumerated() {
            #expect(try node.call("\(address):8080", from: .pod(1)).pods == ["pod-\(number + 1)"])
            let name = "\(address.replacingOccurrences(of: ".", with: "-")).db.default.svc.cluster.local."
            #expect(try dig("-x", address).contains(name))
        }
    }

    @Test(
        "what the specification says of records, as dig sees it",
        arguments: [
            ("dns-version", "TXT", ["\"1.1.0\""]),
            ("pets.default.svc", "A", ["10.244.0.11", "10.244.0.12"]),
            ("pets.default.svc", "AAAA", ["fd00:10:244::11"]),
            ("my-pet.pets.default.svc", "A", ["10.244.0.11"]),
            ("10-244-0-12.pets.default.svc", "A", ["10.244.0.12"]),
            (
                "_https._tcp.pets.default.svc", "SRV",
                ["10-244-0-12", "fd00-10-244--11", "my-pet"].map {
                    "0 33 8080 \($0).pets.default.svc.cluster.local."
                }
            ),
            ("ghosts.default.svc", "A", ["10.244.0.12"]),
            ("out.default.svc", "CNAME", ["www.example.com."]),
        ] as [(String, String, [String])])
    func records(name: String, type: String, answers: [String]) throws {
        #expect(try eventually { try dig("\(name).cluster.local", type) == answers })
    }

    @Test("PTR leads from a ClusterIP to its Service, and from a headless endpoint to its own name, in both families")
    func pointers() throws {
        #expect(try dig("-x", "10.96.0.15") == ["web.default.svc.cluster.local."])
        #expect(try dig("-x", "fd00:96::15") == ["web.default.svc.cluster.local."])
        #expect(try dig("-x", "10.244.0.11").contains("my-pet.pets.default.svc.cluster.local."))
        #expect(
            try dig("-x", "fd00:10:244::11").contains("fd00-10-244--11.pets.default.svc.cluster.local."))
    }

    @Test(
        "what does not exist is told from what has no such record; both say by the SOA how long that holds",
        arguments: [
            ("nothing.default.svc", "A", "NXDOMAIN"), ("10-244-0-13.pets.default.svc", "A", "NXDOMAIN"),
            ("_nope._tcp.pets.default.svc", "SRV", "NXDOMAIN"), ("web.default.svc", "TXT", "NOERROR"),
            ("my-pet.pets.default.svc", "AAAA", "NOERROR"), ("default.svc", "A", "NOERROR"),
        ])
    func absences(name: String, type: String, code: String) throws {
        let lines = try ask(
            ["dig", "+noall", "+comments", "+answer", "+authority", "@\(Self.vips[0])", "\(name).cluster.local", type],
            from: .node)
        #expect(lines.contains { $0.contains("status: \(code),") }, "\(lines)")
        let records = lines.filter { !$0.hasPrefix(";") }.map {
            $0.split(whereSeparator: \.isWhitespace).map(String.init)
        }
        #expect(records.count == 1)
        #expect(records.first?.prefix(4) == ["cluster.local.", "5", "IN", "SOA"], "\(lines)")
        #expect(records.first?.last == "5", "\(lines)")
    }

    @Test("with sockets left alone the VIP serves pods, packet by packet; the address itself serves all")
    func packets() throws {
        let node = try TestNode.current
        try node.stop()
        try node.start(
            with: Array(node.runArguments().dropFirst()) + ["--socket-lb", "off", "--pod-interfaces", "auto"])
        defer {
            _ = try? node.stop()
            try? node.start()
        }
        let name = "web.default.svc.cluster.local"
        for server in Self.vips {
            #expect(try eventually { try dig(name, at: server, from: .pod(1)) == ["10.96.0.15"] })
            #expect(try dig("+tcp", name, at: server, from: .pod(1)) == ["10.96.0.15"])
        }
        #expect(try dig(name, at: "10.244.0.1") == ["10.96.0.15"])
        #expect(try dig(name, at: Self.vips[0]) != ["10.96.0.15"])
        let status = try node.status()
        #expect(status.degraded.isEmpty, "hooks that are not wanted are not missed: \(status.degraded)")
        #expect(status.probe == "leftToPackets")
    }

    @Test("after a restart names are answered before the datapath is loaded, by what was known before")
    func recalls() throws {
        let node = try TestNode.current
        #expect(try eventually { try dig("web.default.svc.cluster.local") == ["10.96.0.15"] })
        try node.stop()
        try node.start()
        let log = node.logText
        let places = try ["answering names as they were last", "answering DNS", "loaded the datapath"].map {
            try #require(log.range(of: $0), "\($0) is not in \(log)").lowerBound
        }
        #expect(places == places.sorted(), "\(log)")
        #expect(try dig("web.default.svc.cluster.local") == ["10.96.0.15"])
    }

    @Test("a change is in the answers, and what goes leaves none")
    func follows() throws {
        let node = try TestNode.current
        let name = "db.default.svc.cluster.local"
        try node.write(NamedManifests.db(pods: 1), to: "db.yaml")
        #expect(try eventually { try dig(name) == [Manifest.pods4[0]] })
        try node.remove("db.yaml")
        #expect(try eventually { try status(name, at: Self.vips[0], from: .node) == "NXDOMAIN" })
        try node.write(NamedManifests.db(pods: 2), to: "db.yaml")
        #expect(try eventually { try dig(name).count == 2 })
    }

    /// Runs a command with a resolv.conf as a kubelet writes it.
    private func resolve(_ command: [String], from place: TestNode.Place) throws -> [String] {
        let node = try TestNode.current
        let file = "\(node.directory)/resolv.conf"
        try """
        nameserver \(Self.vips[0])
        search default.svc.cluster.local svc.cluster.local cluster.local
        options ndots:5

        """.write(toFile: file, atomically: true, encoding: .utf8)
        let names = "\(node.directory)/nsswitch.conf"
        try "hosts: files dns\n".write(toFile: names, atomically: true, encoding: .utf8)
        let script =
            #"mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@""#
        return try ask(["unshare", "-m", "sh", "-c", script, file, names] + command, from: place)
    }

    @Test(
        "glibc finds a Service by its short name, in the node and in a pod", arguments: [TestNode.Place.node, .pod(2)])
    func glibc(place: TestNode.Place) throws {
        let short = try resolve(["getent", "ahostsv4", "web"], from: place)
        #expect(short.first?.hasPrefix("10.96.0.15 ") == true, "\(short)")
        let longer = try resolve(["getent", "ahostsv6", "web.default"], from: place)
        #expect(longer.first?.hasPrefix("fd00:96::15 ") == true, "\(longer)")
        let pods = try resolve(["getent", "ahostsv4", "db"], from: place)
        for pod in Manifest.pods4.prefix(2) { #expect(pods.contains { $0.hasPrefix("\(pod) ") }, "\(pods)") }
        #expect(try resolve(["getent", "ahosts", "nothing.default.svc.cluster.local."], from: place).isEmpty)
        let back = try resolve(["getent", "hosts", "10.96.0.15"], from: place)
        #expect(back.first?.contains("web.default.svc") == true, "\(back)")
    }

    @Test("musl finds the same")
    func musl() throws {
        let node = try TestNode.current
        let source = """
            #include <arpa/inet.h>
            #include <netdb.h>
            #include <stdio.h>
            int main(int argc, char **argv)
            {
                struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
                char text[64];
                int error = argc > 1 ? getaddrinfo(argv[1], NULL, &hints, &found) : EAI_FAIL;
                if (error)
                    return puts(gai_strerror(error)), 1;
                for (; found; found = found->ai_next)
                    puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof(text)));
                return 0;
            }
            """
        let program = "\(node.directory)/resolve"
        try source.write(toFile: program + ".c", atomically: true, encoding: .utf8)
        let built = try Programs.run(["musl-gcc", "-static", "-O", "-o", program, program + ".c"])
        #expect(built.status == .exited(0), "\(built)")
        #expect(try resolve([program, "web"], from: .pod(1)) == ["10.96.0.15"])
        #expect(try resolve([program, "db"], from: .pod(1)) == Array(Manifest.pods4.prefix(2)))
        #expect(
            try resolve([program, "nothing.default.svc.cluster.local."], from: .pod(1)) == ["Name does not resolve"])
    }

    @Test("strangers are refused")
    func refuses() throws {
        #expect(try status("web.default.svc.cluster.local", at: "10.244.0.1", from: .outside) == "REFUSED")
        #expect(try status("www.example.com", at: "10.244.0.1", from: .outside) == "REFUSED")
    }

    /// A name server beyond the node, for as long as the body runs.
    private func withUpstream(_ body: () throws -> Void) throws {
        let node = try TestNode.current
        let texts = (0..<8).flatMap { ["--txt-record=big.example.com,\(String(repeating: "\($0)", count: 200))"] }
        let server = try RunningProcess(
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--user=root", "--pid-file=\(node.directory)/dnsmasq.pid", "--bind-interfaces", "--except-interface=lo",
                "--listen-address=\(Lab.outsideAddress4)", "--local=/example.com/",
                "--host-record=www.example.com,198.51.100.80,60",
            ] + texts, in: node.namespace(of: .outside), output: .null)
        defer { _ = try? server.terminate() }
        #expect(try eventually { try dig("www.example.com", at: Lab.outsideAddress4) == ["198.51.100.80"] })
        try body()
    }

    @Test("other names come from upstream, through an alias of ours, too, and over TCP where they are large")
    func forwards() throws {
        try withUpstream {
            for server in Self.vips {
                #expect(try dig("+nocookie", "www.example.com", at: server, from: .pod(1)) == ["198.51.100.80"])
            }
            #expect(try dig("out.default.svc.cluster.local", from: .pod(1)) == ["198.51.100.80", "www.example.com."])
            #expect(try dig("+noedns", "big.example.com", "TXT", from: .pod(1)).count == 8)
            #expect(try status("none.example.com", at: Self.vips[0], from: .pod(1)) == "NXDOMAIN")
            let found = try resolve(["getent", "ahostsv4", "www.example.com"], from: .pod(1))
            #expect(found.first?.hasPrefix("198.51.100.80 ") == true, "\(found)")
        }
        // What was said a moment ago is remembered, but to a client with a cookie; what was not cannot be found out now.
        #expect(try dig("+nocookie", "www.example.com") == ["198.51.100.80"])
        #expect(try status("other.example.com", at: Self.vips[0], from: .node) == "SERVFAIL")
    }

    @Test("names end with the process, which status says, and come back with it")
    func restarts() throws {
        let node = try TestNode.current
        let before = try node.swiftlet("status").output
        #expect(before.contains("Services below cluster.local at 10.96.0.10, fd00:96::a"), "\(before)")
        let explained = try node.swiftlet("explain", "web.default.svc.cluster.local").output
        #expect(explained.contains("is a name of default/web, which 10.96.0.10, fd00:96::a answers"), "\(explained)")
        try node.kill()
        let gone = try status("web.default.svc.cluster.local", at: Self.vips[0], from: .node)
        #expect(gone.contains("refused"), "\(gone)")
        let after = try node.swiftlet("status").output
        #expect(after.contains("names of Services are not answered"), "\(after)")
        try node.start()
        #expect(try eventually { try dig("web.default.svc.cluster.local") == ["10.96.0.15"] })
        let metrics = try node.get("/metrics", port: 10_249)
        #expect(metrics.body.contains("swiftlet_dns_questions_total{result=\"answered\"}"))
    }
}
