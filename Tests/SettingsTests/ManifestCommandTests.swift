import Foundation
import NetworkLab
import Testing

/// `compile --strict` and `diff --against`, which need no privileges and no daemon.
@Suite("commands on manifests")
struct ManifestCommandTests {
    private static let good = """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {clusterIP: 10.96.0.15, ports: [{port: 80}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: by-name}
        spec: {clusterIP: None}

        """

    /// - Returns: how it ended, and what it said, with directories of these manifests as `$0`, `$1`.
    private func run(_ arguments: [String], _ manifests: String...) throws -> (ChildProcess.Status, String) {
        let directory = NSTemporaryDirectory() + "swl-\(getpid())-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for (index, text) in manifests.enumerated() {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(index)", withIntermediateDirectories: true)
            try text.write(toFile: "\(directory)/\(index)/m.yaml", atomically: true, encoding: .utf8)
        }
        let words = arguments.map { $0.hasPrefix("$") ? "\(directory)/\($0.dropFirst())" : $0 }
        var child = try ChildProcess([CommandLineTests.swiftlet] + words, output: .pipe, errors: .merged)
        let output = try child.readToEnd(within: 60_000)
        return (try child.wait(), output)
    }

    @Test(
        "compile --strict fails when something was refused or ignored",
        arguments: [
            ("{port: 80}", "{port: 80}", 0), ("{port: 80}", "{port: 80, targetPrt: 8080}", 1),
            ("{port: 80}", "{port: 70000}", 1), ("clusterIP: 10.96.0.15, ", "", 1),
            ("kind: Service", "kind: service", 1),
            ("10.96.0.15, ports", "10.96.0.15, externalIPs: [10.96.0.15], ports", 0),
        ])
    func strict(old: String, new: String, code: Int32) throws {
        let text = Self.good.replacingOccurrences(of: old, with: new)
        let arguments = ["compile", "--manifests", "$0", "--node", "n"]
        let outcome = try run(arguments + ["--strict"], text)
        #expect(outcome.0 == .exited(code), "\(outcome.1)")
        #expect(try run(arguments, text).0 == .exited(0))
    }

    @Test("a directory that is not there is a failure, strict or not", arguments: [[], ["--strict"]])
    func absent(flags: [String]) throws {
        let outcome = try run(["compile", "--manifests", "/absent/dir", "--node", "n"] + flags)
        #expect(outcome.0 == .exited(1) && outcome.1.contains("/absent/dir"), "\(outcome.1)")
    }

    @Test("diff --against: 0 for nothing, 1 for a change, 2 where it cannot be told")
    func diff() throws {
        let arguments = ["diff", "--manifests", "$1", "--against", "$0", "--node", "n"]
        let same = try run(arguments, Self.good, Self.good)
        #expect(same.0 == .exited(0) && same.1 == "nothing would change\n", "\(same.1)")
        let other = try run(arguments, Self.good, Self.good.replacingOccurrences(of: "10.96.0.15", with: "10.96.0.99"))
        #expect(other.0 == .exited(1), "\(other.1)")
        #expect(other.1.contains("- frontend 10.96.0.15:80/TCP  default/web"), "\(other.1)")
        let json = try run(arguments + ["-o", "json"], Self.good, Self.good + "---\n" + Self.good)
        #expect(json.1.contains("\"schema\" : 1"), "\(json.1)")
        #expect(
            try run(["diff", "--manifests", "/absent", "--against", "$0", "--node", "n"], Self.good).0 == .exited(2))
        #expect(try run(["diff", "--manifests", "/absent"]).0 == .exited(2))
        #expect(try run(["diff", "--manifests", "$0", "--against", "$0"], Self.good).0 == .exited(2))
    }

    @Test("diff says what of the new manifests cannot be used, and does not say that nothing would change")
    func refused() throws {
        let arguments = ["diff", "--manifests", "$1", "--against", "$0", "--node", "n"]
        for bad in [("{port: 80}", "{port: 80"), ("{port: 80}", "{port: 70000}")] {
            let outcome = try run(
                arguments, Self.good, Self.good.replacingOccurrences(of: bad.0, with: bad.1))
            #expect(outcome.0 == .exited(2), "\(outcome.1)")
            #expect(
                outcome.1.contains("/1/m.yaml (document 1)") && !outcome.1.contains("\nnothing would"), "\(outcome.1)")
        }
    }
}
