import Foundation
import Glibc
import NetworkLab
import LabAPIServer
import TestKit
import Testing

/// The daemon with the rights of packaging/swiftlet.service: another user than root, three capabilities, no way to more,
/// and a file system that is read-only but for its own directories.
@Suite(
    "least rights", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, rights: .least, manifests: ["web.yaml": ServedManifests.web]))
struct LeastRightsTests {
    private static let needed: Set = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]

    @Test("it serves sockets and packets, and follows changes")
    func serves() throws {
        let node = try TestNode.current
        try node.start()
        #expect(try node.call("10.96.0.15:80", "--count", "30").pods == ["pod-1", "pod-2", "pod-3"])
        #expect(try node.call("[fd00:96::15]:80", from: .pod(1)).results == ["ok"])
        #expect(try node.call("10.96.0.15:53", "--udp").results == ["ok"])
        #expect(try node.call("192.0.2.1:30080", "--count", "5", from: .outside).results == ["ok"])
        #expect(try node.bind(30080) == "EADDRINUSE")
        try node.write(ServedManifests.sticky(isOn: true), to: "sticky.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ok"] })
        try node.remove("sticky.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ENETUNREACH"] })
        #expect(try node.status().degraded == [])
    }

    @Test("it answers names on a port above 1023, and knows them again at the next start", .hasResolvers)
    func names() throws {
        let node = try TestNode.current
        defer {
            _ = try? node.stop()
            try? node.start()
        }
        for isFirst in [true, false] {
            _ = try node.stop()
            try node.start(
                with: Array(node.runArguments().dropFirst())
                    + ["--dns-bind", "10.244.0.1:5353", "--dns-upstream", "none"])
            #expect(node.logText.contains("answering names as they were last") == !isFirst, "\(node.logText)")
            let answer = try Programs.run(
                ["dig", "+short", "-p", "5353", "@10.244.0.1", "web.default.svc.cluster.local"],
                in: node.namespace(of: .pod(1)), cgroup: node.cgroup.path)
            #expect(answer.output == "10.96.0.15\n")
        }
    }

    @Test("each of its threads has these rights and no others, and status says which")
    func hasTheseRights() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        let pid = try #require(node.pid)
        let threads = try threads(of: pid)
        #expect(threads.count > 1)
        let mask = UInt64(1) << 39 | 1 << 38 | 1 << 12
        for thread in threads {
            #expect(thread["Uid"] == Array(repeating: "\(DaemonRights.user)", count: 4).joined(separator: "\t"))
            #expect(thread["NoNewPrivs"] == "1")
            for set in ["CapEff", "CapPrm", "CapBnd"] {
                #expect(thread[set].flatMap { UInt64($0, radix: 16) } == mask, "\(set)")
            }
            // What it executes, as a plugin for credentials, gets none.
            for set in ["CapAmb", "CapInh"] { #expect(thread[set].flatMap { UInt64($0, radix: 16) } == 0, "\(set)") }
        }
        let rights = try #require(try node.status().daemon?.rights)
        #expect(rights.user == DaemonRights.user)
        #expect(Set(rights.capabilities) == Self.needed)
        #expect(rights.reserved == [])
        #expect(rights.lacking == [])
    }

    @Test("the file system is read-only for it, but for its pins, its run-time files and its state")
    func writesNothingElse() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        let pid = try #require(node.pid)
        let mounts = try text("/proc/\(pid)/mountinfo")
        // Of mounts at one place the last one is what can be reached.
        var isWritable: [String: Bool] = [:]
        for fields in mounts.split(separator: "\n").map({ $0.split(separator: " ") }) {
            isWritable[String(fields[4])] = fields[5].split(separator: ",").contains("rw")
        }
        let writable = Set(isWritable.filter(\.value).keys)
        #expect(writable.subtracting(["/proc"]) == [node.bpfRoot, node.runDirectory, node.stateDirectory])
    }

    @Test("pins, lock and socket are its own, and closed to others")
    func ownsItsFiles() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        for path in [node.map("services4"), node.link("connect4"), "\(node.runDirectory)/control.sock"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.ownerAccountID] as? UInt32 == DaemonRights.user, "\(path)")
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(path)")
        }
        let root = try FileManager.default.attributesOfItem(atPath: node.bpfRoot)
        #expect(root[.posixPermissions] as? Int == 0o700)
    }

    @Test("restarts and crashes keep links, ids and connections", arguments: [SIGTERM, SIGKILL])
    func restarts(signal: CInt) throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        let links = try node.status().hooks.map(\.linkID)
        let held = try node.hold("10.96.0.15:80", "--connections", "5")
        let load = try node.startLoad("10.96.0.15:80,[fd00:96::15]:80", ["--rate", "300", "--seconds", "60"])
        _ = try node.stop(with: signal)
        #expect(try node.call("10.96.0.15:80", "--count", "10").results == ["ok"])
        try node.start()
        #expect(try node.finish(load: load, now: true).failed == [:])
        #expect(try held.send().allSatisfy { $0.result == "ok" })
        #expect(try node.status().hooks.map(\.linkID) == links)
    }

    @Test("programs come off a device that is not wanted any more")
    func leavesDevices() throws {
        let node = try TestNode.current
        try node.stop()
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--devices", "none"])
        #expect(try node.call("192.0.2.1:30080", from: .outside).summary.ok == 0)
        try node.stop()
        try node.start()
        #expect(try node.call("192.0.2.1:30080", from: .outside).results == ["ok"])
    }

    @Test("its own rights are enough for services, maps and status, which says what it could not try")
    func answersItself() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        for command in ["services", "maps"] {
            let outcome = try node.swiftletInDaemonRights(command)
            #expect(outcome.status == .exited(0), "\(outcome)")
        }
        let status = try node.swiftletInDaemonRights("status")
        #expect(status.status == .exited(0), "\(status)")
        #expect(status.output.contains("not probed: no right to make a cgroup"), "\(status)")
        #expect(status.output.contains("swl_sock_release") && status.output.contains("swl_connect4"), "\(status)")
    }

    @Test(
        "a daemon that is below the served cgroup, as in a pod, probes for a client that may not, and for each scrape")
    func probesItself() throws {
        let node = try TestNode.current
        try node.stop()
        try node.rights.prepare(node)
        let join = ["sh", "-c", "echo $$ > \(node.cgroup.path)/cgroup.procs && exec \"$@\"", "sh"]
        try node.launch(command: join + node.rights.running(node.runArguments(), on: node))
        #expect(try eventually(within: 30_000) { node.logText.contains("ready") }, "\(node.logText)")
        let status = try node.swiftletInDaemonRights("status")
        #expect(status.status == .exited(0), "\(status)")
        #expect(status.output.contains("a connect to a VIP was translated"), "\(status)")
        func metrics() throws -> String { try node.get("/metrics", port: 10_249).body }
        #expect(try metrics().contains("\nswiftlet_effective 1\n"))
        // The daemon attaches it again within seconds.
        let isTold = try eventually(within: 20_000) {
            try Command.run("bpftool", "link", "detach", "pinned", node.link("connect4"))
            let said = try metrics()
            return said.contains("\nswiftlet_effective 0\n")
                && said.contains("\nswiftlet_hooks_attached{hook=\"connect4\"} 0\n")
        }
        #expect(isTold)
        #expect(try eventually(within: 20_000) { try metrics().contains("\nswiftlet_effective 1\n") })
        try node.stop()
        try node.start()
    }

    @Test("what it may not change in the kernel it says, in the log once and in status")
    func saysWhatItMayNot() throws {
        let node = try TestNode.current
        try node.stop()
        let setting = "/proc/sys/net/ipv4/ip_forward"
        func set(_ value: Int) throws {
            try Command.run("nsenter", "--net=\(node.lab.node.path)", "sh", "-c", "echo \(value) > \(setting)")
        }
        try set(0)
        defer { try? set(1) }
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--set-sysctls"])
        let said = try node.status().degraded
        #expect(said.count == 1)
        #expect(said.first?.contains("net.ipv4.ip_forward is 0") == true, "\(said)")
        #expect(said.first?.contains("swiftlet prepare --set-sysctls") == true, "\(said)")
        // A change of the network makes it look again.
        try Command.run("nsenter", "--net=\(node.lab.node.path)", "ip", "address", "add", "192.0.2.77/32", "dev", "lo")
        try node.write(ServedManifests.sticky(isOn: true), to: "sticky.yaml")
        #expect(try eventually { try node.call("10.96.0.31:80").results == ["ok"] })
        #expect(node.logText.components(separatedBy: "cannot change a sysctl").count == 2)
        try node.stop()

        let prepared = try Programs.run(
            [
                Programs.swiftlet, "prepare", "--set-sysctls", "--user", "\(DaemonRights.user):\(DaemonRights.user)",
                "--bpf-root", node.bpfRoot, "--state-dir", node.stateDirectory,
            ], in: node.lab.node.path)
        #expect(prepared.output.contains("net.ipv4.ip_forward is 1"), "\(prepared)")
        try node.start(with: Array(node.runArguments().dropFirst()) + ["--set-sysctls"])
        #expect(try node.status().degraded == [])
    }

    @Test("cleanup with its own rights takes everything out of the kernel")
    func cleansUp() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        try node.stop()
        let cleanup = try node.swiftletInDaemonRights("cleanup")
        #expect(cleanup.status == .exited(0), "\(cleanup)")
        let left = FileManager.default.enumerator(atPath: node.bpfRoot)?.allObjects as? [String]
        #expect(left == [])
        #expect(try node.call("10.96.0.15:80").results == ["ENETUNREACH"])
        #expect(try node.call("192.0.2.1:30080", from: .outside).summary.ok == 0)
    }

    /// To its end: a file of /proc says that it is empty, and is longer than one read gives.
    private func text(_ file: String) throws -> String {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
    }

    private func threads(of pid: pid_t) throws -> [[String: String]] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").map { thread in
            let fields = try text("/proc/\(pid)/task/\(thread)/status").split(separator: "\n").map {
                $0.split(separator: ":", maxSplits: 1)
            }
            return Dictionary(
                uniqueKeysWithValues: fields.filter { $0.count == 2 }.map {
                    (String($0[0]), $0[1].trimmingCharacters(in: .whitespaces))
                })
        }
    }
}
