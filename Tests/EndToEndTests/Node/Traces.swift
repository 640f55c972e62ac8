import BPFLoader
import Foundation
import NetworkLab
import SystemPackage
import Testing

/// What a node could leave behind: taken while it lives, looked for when it is gone.
struct Traces {
    private var paths: [String]
    private var pids: [pid_t]
    private var links: Set<Int>

    init(of node: TestNode) {
        let namespaces = [node.lab.node.path, node.lab.outside.path] + node.lab.pods.map { $0.namespace.path }
        paths = namespaces + [node.cgroup.path, node.bpfRoot, node.runDirectory, node.directory]
        pids = node.pods.map(\.pid) + (node.pid.map { [$0] } ?? [])
        let pins = (try? FileManager.default.contentsOfDirectory(atPath: node.link(""))) ?? []
        links = Set(
            pins.compactMap { hook in
                (try? CgroupLink(pinnedAt: FilePath(node.link(hook))).info).map { Int($0.id) }
            })
    }

    private struct Link: Decodable {
        var id: Int
    }

    /// The kernel lets go of links and namespaces a little after their owners.
    func expectNone() throws {
        var left: [String] = []
        _ = try eventually(within: 3_000) {
            left = paths.filter { FileManager.default.fileExists(atPath: $0) }
            left += pids.filter { kill($0, 0) == 0 }.map { "process \($0)" }
            let alive: [Link] = try Programs.decode(from: ["bpftool", "-j", "link", "show"])
            left += alive.filter { links.contains($0.id) }.map { "link \($0.id)" }
            return left.isEmpty
        }
        #expect(left == [], "left behind")
    }
}
