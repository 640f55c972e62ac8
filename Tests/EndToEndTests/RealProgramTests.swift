import Foundation
import NetworkLab
import Testing

/// Programs that people use, and what they see of a Service.
@Suite(
    "real programs", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 3,
        manifests: [
            "dual.yaml": Manifest.file(
                Manifest.service("dual", ["10.96.0.70", "fd00:96::70"], ports: ["{name: http, port: 80}"]),
                Manifest.slice("dual", Manifest.pods4, ports: ["{name: http, port: 8080, protocol: TCP}"]),
                Manifest.slice("dual", Manifest.pods6, ports: ["{name: http, port: 8080, protocol: TCP}"])),
            "dns.yaml": Manifest.file(
                Manifest.service(
                    "dns", ["10.96.0.71", "fd00:96::71"], ports: ["{name: dns, port: 53, protocol: UDP}"]),
                Manifest.slice("dns", [Manifest.pods4[1]], ports: ["{name: dns, port: 5300, protocol: UDP}"]),
                Manifest.slice("dns", [Manifest.pods6[1]], ports: ["{name: dns, port: 5300, protocol: UDP}"])),
            "files.yaml": Manifest.file(
                Manifest.service("files", ["10.96.0.72", "fd00:96::72"], ports: ["{name: http, port: 80}"]),
                Manifest.slice("files", [Manifest.pods4[2]], ports: ["{name: http, port: 8090, protocol: TCP}"]),
                Manifest.slice("files", [Manifest.pods6[2]], ports: ["{name: http, port: 8090, protocol: TCP}"])),
        ]))
struct RealProgramTests {
    static func has(_ program: String) -> Bool { (try? Command.run("sh", "-c", "command -v \(program)")) != nil }

    private func output(_ arguments: [String], at place: TestNode.Place) throws -> String {
        let process = try TestNode.current.start(arguments, at: place)
        let text = try process.readToEnd()
        _ = try process.wait()
        return text
    }

    @Test(
        "curl shows the Service's address as its peer", .enabled(if: has("curl"), "no curl"),
        arguments: ["10.96.0.70", "[fd00:96::70]"])
    func curl(host: String) throws {
        for place in [TestNode.Place.node, .pod(1)] {
            // The pods greet at once and do not end: no HTTP, but all that is asked here.
            let text = try output(
                [
                    "curl", "--silent", "--noproxy", "*", "--http0.9", "--max-time", "2", "--write-out",
                    "\nto %{remote_ip}:%{remote_port}", "http://\(host)/",
                ], at: place)
            #expect(text.contains("pod-"), "\(text)")
            let peer = host.trimmingCharacters(in: ["[", "]"])
            #expect(text.contains("to \(peer):80"), "\(text)")
        }
    }

    @Test(
        "dig hears the server that it asked", .enabled(if: has("dig"), "no dig"),
        arguments: ["10.96.0.71", "fd00:96::71"])
    func dig(server: String) throws {
        let node = try TestNode.current
        let dns = try node.start([Programs.lab, "serve", "--name", "dns", "--dns", "5300"], at: .pod(2))
        defer { _ = try? dns.terminate() }
        #expect(try dns.readLine() == "ready")
        for place in [TestNode.Place.node, .pod(1)] {
            let text = try output(["dig", "@\(server)", "web.example", "+tries=1", "+time=5"], at: place)
            #expect(text.contains("status: NOERROR"), "\(text)")
            #expect(text.contains("SERVER: \(server)#53"), "\(text)")
            #expect(!text.contains("unexpected source"), "\(text)")
        }
    }

    /// Go has a resolver of its own; ctr is a Go program, and asks a registry without containerd.
    @Test(
        "a program in Go asks for a name by UDP, and a server by HTTP, both at a Service's address",
        .enabled(if: has("ctr") && has("dnsmasq") && has("python3"), "no ctr, dnsmasq or python3"),
        arguments: [("10.96.0.71", "10.96.0.72"), ("fd00:96::71", "fd00:96::72")])
    func go(names: String, files: String) throws {
        let node = try TestNode.current
        let dns = try node.start(
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--port=5300",
                "--no-resolv", "--no-hosts", "--address=/files.example/\(files)",
            ], at: .pod(2))
        defer { _ = try? dns.terminate() }
        let server = try node.start(["python3", "-m", "http.server", "8090", "--bind", "::"], at: .pod(3))
        defer { _ = try? server.terminate() }
        let settings = NSTemporaryDirectory() + "\(node.name)-resolv.conf"
        try "nameserver \(names)\noptions attempts:1 timeout:5\n"
            .write(toFile: settings, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: settings) }
        let digest = "sha256:" + String(repeating: "0", count: 64)
        let script = """
            mount --bind \(settings) /etc/resolv.conf && GODEBUG=netdns=go \
            exec ctr content fetch-object --plain-http --http-dump files.example:80/a/b:latest \(digest) 2>&1
            """
        for place in [TestNode.Place.node, .pod(1)] {
            var text = ""
            let isServed = try eventually {
                text = try output(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], at: place)
                return text.contains("Server: SimpleHTTP")
            }
            #expect(isServed, "\(place): \(text)")
        }
    }

    /// By RFC 6724 the C library connects a UDP socket to each address, only to learn its source: nothing is sent.
    @Test(
        "in a pod without IPv6 a name with both addresses leads to IPv4 first, though the Service serves no UDP",
        .enabled(if: has("getent"), "no getent"))
    func addressOrder() throws {
        let node = try TestNode.current
        let musl = try resolverOfMusl(below: node.directory)
        let hosts = NSTemporaryDirectory() + "\(node.name)-hosts"
        try "127.0.0.1 localhost\n10.96.0.70 dual.example\nfd00:96::70 dual.example\n"
            .write(toFile: hosts, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: hosts) }
        func order(at place: TestNode.Place, by command: String = "getent ahosts") throws -> [String] {
            let script = "mount --bind \(hosts) /etc/hosts && exec \(command) dual.example"
            let text = try output(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", script], at: place)
            return text.split(separator: "\n").filter { $0.contains("STREAM") }.map {
                String($0.split(separator: " ").first ?? "")
            }
        }
        #expect(try order(at: .pod(1)) == ["fd00:96::70", "10.96.0.70"], "with IPv6 it goes first")
        // musl knows that RFC 6724 prefers IPv4 to unique local addresses.
        if let musl { #expect(try order(at: .pod(1), by: musl) == ["10.96.0.70", "fd00:96::70"]) }
        // Link-local addresses stay: without any the library would not even show the other one.
        try Command.run(
            "nsenter", "--net=\(node.namespace(of: .pod(3)))", "ip", "-6", "address", "flush", "dev", "eth0", "scope",
            "global")
        for command in ["getent ahosts"] + [musl].compactMap(\.self) {
            let without = try order(at: .pod(3), by: command)
            #expect(without == ["10.96.0.70", "fd00:96::70"], "\(command)")
        }
    }

    /// A program that prints addresses as `getent ahosts` does, by musl's resolver; nil without musl.
    private func resolverOfMusl(below directory: String) throws -> String? {
        guard Self.has("musl-gcc") else { return nil }
        let text = """
            #include <netdb.h>
            #include <stdio.h>
            #include <sys/socket.h>
            int main(int count, char **words) {
                struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found, *one;
                char host[64];
                if (count < 2 || getaddrinfo(words[1], "80", &wanted, &found))
                    return 1;
                for (one = found; one; one = one->ai_next)
                    if (!getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof(host), 0, 0, NI_NUMERICHOST))
                        printf("%s STREAM\\n", host);
                return 0;
            }
            """
        let program = "\(directory)/addresses"
        try text.write(toFile: program + ".c", atomically: true, encoding: .utf8)
        try Command.run("musl-gcc", "-static", "-o", program, program + ".c")
        return program
    }
}
