import Foundation
import NetworkLab
import Testing

@testable import swiftlet

@Suite("debuginfo: no secrets")
struct DebugInfoTests {
    private static let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"

    @Test(
        "what looks like a secret is taken out, and what is about it stays",
        arguments: [
            ("Authorization: Bearer \(token)", "eyJ", "Authorization"),
            ("cause=401 for token \(token)", "eyJ", "cause=401"), ("--token=abcdef0123", "abcdef0123", "--token="),
            ("run --bearer-token abcdef0123 -v", "abcdef0123", "run --bearer-token "),
            ("password: hunter2", "hunter2", "password: "),
            ("\"client_secret\": \"s3cr3t\"", "s3cr3t", "client_secret"),
            ("client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk=", "LS0t", "client-key-data"),
            ("apiServers: [\"https://me:pw1234@api:6443\"]", "pw1234", "api:6443"),
            ("a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nb", "MHcCAQ", "b"),
            ("-----BEGIN PRIVATE KEY-----\nMHcCAQ", "MHcCAQ", "[removed]"),
            ("AUTH basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "AUTH"),
        ])
    func removes(text: String, secret: String, rest: String) {
        let redacted = Redaction.redacted(text)
        #expect(!redacted.contains(secret) && redacted.contains(rest), "\(redacted)")
    }

    @Test(
        "what is none stays",
        arguments: [
            "kubeconfig: \"/var/lib/kube-proxy/kubeconfig\"", "tokenFile: /var/run/secrets/token",
            "10.96.0.15:80/TCP default/my-token-api", "\"key\" : \"10.96.0.1\"", "Secret objects are passed over",
        ])
    func keeps(text: String) { #expect(Redaction.redacted(text) == text) }

    @Test("the archive is a compressed tar that tar reads, with long texts cut")
    func archives() throws {
        let directory = NSTemporaryDirectory() + "swl-\(getpid())-\(UUID())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let archive = try Archive(path: directory + "/a.tar.gz", directory: "top", time: 1_700_000_000)
        try archive.add("one.txt", "first\n")
        try archive.add("sub/two.txt", String(repeating: "x", count: 1_024))
        try archive.add("long.txt", String(repeating: "y", count: Archive.longest + 7))
        try archive.close()
        try Command.run("tar", "-xzf", directory + "/a.tar.gz", "-C", directory)
        func text(_ name: String) throws -> String {
            try String(contentsOfFile: "\(directory)/top/\(name)", encoding: .utf8)
        }
        #expect(try text("one.txt") == "first\n")
        #expect(try text("sub/two.txt").count == 1_024)
        #expect(try text("long.txt").hasSuffix("y\n[cut: 7 bytes more]\n"))
        let mode = try FileManager.default.attributesOfItem(atPath: directory + "/a.tar.gz")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(throws: CommandError.self) { try Archive(path: directory + "/a.tar.gz", directory: "top", time: 0) }
    }
}
