import Foundation
import Glibc
import NetworkLab
import Testing

/// A directory of manifests that is taken away while it is served. With the rights of the unit file, for root may read
/// everything.
@Suite(
    "manifests that are lost", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, rights: .least, manifests: ["web.yaml": ServedManifests.web]))
struct ManifestLossTests {
    enum Loss: String, CaseIterable, Sendable {
        case moved, deleted, unreadable, unsearchable

        var cause: String { [.moved, .deleted].contains(self) ? "no such file or directory" : "permission denied" }

        func happen(to directory: String) throws {
            switch self {
            case .moved: try check(rename(directory, directory + "-moved"))
            case .deleted: try FileManager.default.removeItem(atPath: directory)
            case .unreadable: try check(chmod(directory, 0))
            case .unsearchable: try check(chmod(directory, 0o644))
            }
        }

        /// A directory is there again, with what it had or empty.
        func end(in directory: String) throws {
            switch self {
            case .moved:
                try FileManager.default.copyItem(atPath: directory + "-moved", toPath: directory)
                try FileManager.default.removeItem(atPath: directory + "-moved")
            case .deleted:
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
            case .unreadable, .unsearchable: try check(chmod(directory, 0o755))
            }
        }

        private func check(_ status: CInt) throws {
            guard status == 0 else { throw TestFailure("\(self): \(ErrnoName.name(of: errno))") }
        }
    }

    @Test("all is served on, status says what to do, and what is there afterwards counts", arguments: Loss.allCases)
    func outlasts(_ loss: Loss) throws {
        let node = try TestNode.current
        let load = try node.startLoad("10.96.0.15:80", ["--rate", "200", "--seconds", "60"])
        try loss.happen(to: node.manifests)
        #expect(try eventually { try node.status().degraded.count == 2 })
        let (complaint, kept) = try { ($0[0], $0[1]) }(node.status().degraded)
        let expected = "cannot read \(node.manifests): \(loss.cause); "
        #expect(
            complaint.hasPrefix(expected) && complaint.hasSuffix("all stays as it was read there last"), "\(complaint)")
        #expect(node.logText.contains(complaint))
        #expect(kept.hasSuffix("kept from before: \(node.manifests) cannot be read"), "\(kept)")
        #expect(try node.swiftlet("status").status == .exited(3))

        try loss.end(in: node.manifests)
        if loss == .deleted {
            try node.write(Manifest.node, to: "node.yaml")
            try node.write(ServedManifests.web, to: "web.yaml")
        }
        let name = "after-\(loss)"
        try node.write(
            Manifest.file(Manifest.service(name, ["10.96.0.60"]), Manifest.slice(name, [Manifest.pods4[1]])),
            to: "after.yaml")
        #expect(try eventually { try node.call("10.96.0.60:80").pods == ["pod-2"] })
        #expect(try eventually { try node.status().degraded == [] })
        let report = try node.finish(load: load, now: true)
        #expect(report.ok > 0 && report.failed == [:], "\(report)")
        try node.remove("after.yaml")
        #expect(try eventually { try node.call("10.96.0.60:80").results == ["ENETUNREACH"] })
    }
}
