import Foundation
import NetworkLab
import LabAPIServer
import Testing

@Suite("debuginfo", .tags(.endToEnd), .endToEnd, .node(pods: 1, starts: false))
struct DebugInfoArchiveTests {
    @Test("all of it is there, and no token, key or kubeconfig")
    func complete() throws {
        let node = try TestNode.current
        let token = "swl-secret-token-0123456789"
        try node.withAPI([ClusterManifest.node, ClusterManifest.service("web", "10.96.0.15")]) { api in
            let kubeconfig = "\(node.directory)/kubeconfig"
            try """
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "\(api.hello.url)"}}]
            users: [{name: u, user: {token: \(token)}}]
            contexts: [{name: x, context: {cluster: c, user: u}}]
            current-context: x
            """.write(toFile: kubeconfig, atomically: true, encoding: .utf8)
            try node.start(with: Array(node.runArguments(from: ["--kubeconfig", kubeconfig]).dropFirst()))
            let file = "\(node.directory)/report.tar.gz"
            let outcome = try node.swiftlet("debuginfo", "--file", file)
            #expect(outcome.status == .exited(0), "\(outcome)")

            let unpacked = "\(node.directory)/unpacked"
            try FileManager.default.createDirectory(atPath: unpacked, withIntermediateDirectories: true)
            try Command.run("tar", "-xzf", file, "-C", unpacked, "--strip-components", "1")
            func text(_ name: String) throws -> String {
                try String(contentsOfFile: "\(unpacked)/\(name)", encoding: .utf8)
            }
            #expect(try text("status.json").contains("\"schema\" : 1"))
            #expect(try text("services.json").contains("10.96.0.15"))
            #expect(try text("explained.txt").contains("default/web"))
            #expect(try text("settings.yaml").contains("kubeconfig: \"\(kubeconfig)\""))
            #expect(try text("log.txt").contains("ready"))
            #expect(try text("maps-dump.txt").contains("frontend 10.96.0.15:80/TCP"))
            #expect(try text("node/sysctls.txt").contains("net.ipv4.ip_forward = 1"))
            #expect(try text("node/addresses.txt").contains("192.0.2.1"))
            for name in FileManager.default.enumerator(atPath: unpacked)?.compactMap({ $0 as? String }) ?? [] {
                let path = "\(unpacked)/\(name)"
                guard let data = FileManager.default.contents(atPath: path) else { continue }
                let text = String(decoding: data, as: UTF8.self)
                for secret in [token, "PRIVATE KEY", "current-context"] {
                    #expect(!text.contains(secret), "\(name): \(secret)")
                }
            }
        }
    }
}
