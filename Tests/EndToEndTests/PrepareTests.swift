import Foundation
import Glibc
import NetworkLab
import Testing

/// What root does for a daemon that is not root, and what happens without it.
@Suite(
    "prepare", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, rights: .root, manifests: ["web.yaml": ServedManifests.web]))
struct PrepareTests {
    private func prepare(_ node: TestNode, user: String = "\(DaemonRights.user):\(DaemonRights.user)") throws -> Outcome
    {
        try node.swiftlet("prepare", "--user", user, "--state-dir", node.stateDirectory)
    }

    private func owner(of path: String) -> UInt32? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_uid : nil
    }

    @Test("what a daemon of root left is handed over, back and forth, while it serves, with its ids and links")
    func handsOver() throws {
        let node = try TestNode.current
        try node.start()
        let links = try node.status().hooks.map(\.linkID)
        try node.stop()
        #expect(try prepare(node).status == .exited(0))
        for path in [node.bpfRoot, node.map("services4"), node.link("connect4"), node.stateDirectory] {
            #expect(owner(of: path) == DaemonRights.user, "\(path)")
        }
        #expect(try node.call("10.96.0.15:80").results == ["ok"])
        #expect(try prepare(node).output == "all is prepared\n")

        let rights = DaemonRights.least
        let asUser = try Programs.run(
            rights.running(node.runArguments() + ["--init-only"], on: node), in: node.lab.node.path)
        #expect(asUser.status == .exited(0), "\(asUser)")
        #expect(try node.status().hooks.map(\.linkID) == links)

        try node.start()
        #expect(owner(of: node.map("services4")) == 0)
        #expect(try node.status().hooks.map(\.linkID) == links)
        let rightsOfRoot = try #require(try node.status().daemon?.rights)
        #expect(rightsOfRoot.user == 0)
        #expect(rightsOfRoot.capabilities.count == 3)
        #expect(Set(rightsOfRoot.reserved) == ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"])
        try node.stop()
    }

    @Test("it refuses while a daemon runs, which goes on")
    func refuses() throws {
        let node = try TestNode.current
        if node.pid == nil { try node.start() }
        let pid = try #require(node.pid)
        let outcome = try prepare(node)
        #expect(outcome.status == .exited(1))
        #expect(outcome.output.contains("process \(pid) "), "\(outcome)")
        #expect(owner(of: node.map("services4")) == 0)
        try node.stop()
    }

    @Test("it follows no links, and leaves alone what lies in a directory that is the user's already")
    func isNotFooled() throws {
        let node = try TestNode.current
        if node.pid != nil { try node.stop() }
        let (state, secret) = (node.stateDirectory, "\(node.directory)/secret")
        try? FileManager.default.removeItem(atPath: state)
        try FileManager.default.createDirectory(atPath: "\(state)/inner", withIntermediateDirectories: true)
        for file in [secret, "\(state)/inner/file"] { try "x".write(toFile: file, atomically: false, encoding: .utf8) }
        try FileManager.default.createSymbolicLink(atPath: "\(state)/link", withDestinationPath: secret)
        #expect(try prepare(node).status == .exited(0))
        #expect(owner(of: "\(state)/inner/file") == DaemonRights.user)
        #expect(owner(of: "\(state)/link") == DaemonRights.user)
        #expect(owner(of: secret) == 0)

        try FileManager.default.moveItem(atPath: secret, toPath: "\(state)/planted")
        #expect(try prepare(node).output == "all is prepared\n")
        #expect(owner(of: "\(state)/planted") == 0)

        try FileManager.default.removeItem(atPath: state)
        try FileManager.default.createSymbolicLink(atPath: state, withDestinationPath: node.manifests)
        let linked = try prepare(node)
        #expect(linked.status == .exited(1), "\(linked)")
        #expect(linked.output.contains("cannot open \(state)"), "\(linked)")
        #expect(owner(of: node.manifests) == 0)
        try FileManager.default.removeItem(atPath: state)
    }

    @Test(
        "without a needed capability the daemon names it and makes nothing", arguments: ["perfmon", "net_admin", "bpf"])
    func namesMissing(capability: String) throws {
        let node = try TestNode.current
        if node.pid != nil { try node.stop() }
        #expect(try node.swiftlet("cleanup").status == .exited(0))
        // CAP_SYS_ADMIN would stand for two of them.
        let without = ["setpriv", "--bounding-set=-\(capability),-sys_admin", "--"] + node.runArguments()
        let outcome = try Programs.run(without, in: node.lab.node.path)
        #expect(outcome.status == .exited(1), "\(outcome)")
        #expect(outcome.output.contains("user 0 lacks CAP_\(capability.uppercased()) ("), "\(outcome)")
        #expect(!FileManager.default.fileExists(atPath: node.bpfRoot))
    }
}
