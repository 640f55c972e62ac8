import Foundation
import NetworkLab
import LabAPIServer
import Testing

/// A state directory on a file system without room.
@Suite("a full disk", .tags(.endToEnd), .endToEnd, .serialized, .node(pods: 3, starts: false))
struct FullDiskTests {
    private static func pair(_ name: String, _ ip: String) -> [JSON] {
        [ClusterManifest.service(name, ip), ClusterManifest.slice(name, pods: [1])]
    }

    /// Starts the daemon with 64 KiB for its state, in a mount namespace of its own, and gives the way there.
    private func start(_ node: TestNode, following api: ClusterAPI) throws -> String {
        let script = """
            mount --make-rprivate / && mkdir -p "$0" && mount -t tmpfs -o size=64k swiftlet-test "$0" && exec "$@"
            """
        let command = node.runArguments(from: ["--apiserver", api.hello.url])
        let process = try node.launch(command: ["unshare", "-m", "sh", "-c", script, node.stateDirectory] + command)
        guard try eventually(within: 30_000, { node.logText.contains("ready") || !process.isRunning }),
            process.isRunning
        else { throw TestFailure("the daemon did not start: \(node.logText)") }
        return "/proc/\(process.pid)/root\(node.stateDirectory)"
    }

    @Test("what changes is served, status names the state cache, and it is written once there is room")
    func servesOn() throws {
        let node = try TestNode.current
        try node.withAPI([ClusterManifest.node] + Self.pair("web", "10.96.0.15")) { api in
            let directory = try start(node, following: api)
            #expect(FileManager.default.createFile(atPath: directory + "/filler", contents: Data(count: 64 << 10)))
            try? FileManager.default.removeItem(atPath: directory + "/state.yaml")
            for object in Self.pair("other", "10.96.0.16") { try api.put(object) }
            #expect(try eventually { try node.call("10.96.0.16:80").results == ["ok"] })
            let complaint = "cannot write state cache \(node.stateDirectory)/state.yaml: no space left on device; "
            #expect(try eventually(within: 60_000) { try node.status().degraded != [] })
            let said = try node.status().degraded
            #expect(said.count == 1 && said[0].hasPrefix(complaint), "\(said)")
            #expect(try node.call("10.96.0.15:80", "--count", "5").results == ["ok"])
            // Nothing half-written stays.
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["filler"])

            try FileManager.default.removeItem(atPath: directory + "/filler")
            #expect(try eventually(within: 60_000) { try node.status().degraded == [] })
            let text = try String(contentsOfFile: directory + "/state.yaml", encoding: .utf8)
            #expect(text.contains("10.96.0.15") && text.contains("10.96.0.16"))
        }
    }
}
