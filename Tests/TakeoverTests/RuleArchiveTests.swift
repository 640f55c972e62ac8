import Foundation
import NetworkLab
import ServiceModel
import SystemPackage
import TestKit
import Testing

@testable import Takeover

@Suite("Saved rules")
struct RuleArchiveTests {
    @Test(
        "digests are those of FIPS 180-4",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            ),
        ])
    func digests(text: String, digest: String) {
        #expect(SHA256.text(of: text.utf8) == digest)
    }

    private func found(_ tool: RuleTool, _ script: String) -> FoundRules {
        var found = FoundRules(place: RulePlace(tool: tool, family: .v6))
        found.restoration = script
        return found
    }

    @Test("what is saved is read, checked by sha256sum too, and gone when it is removed")
    func keeps() throws {
        let directory = try TemporaryDirectory()
        let archive = RuleArchive(directory: FilePath(directory.path).appending("a").appending("kube-proxy"))
        #expect(!archive.exists)
        _ = try archive.save([found(.nft, "table ip6 kube-proxy {\n}\n")])
        // A second time adds, and replaces what is there.
        _ = try archive.save([found(.nft, "new"), found(.iptablesLegacy, "*nat\nCOMMIT\n")])
        #expect(
            try archive.read().mapKeys(\.fileName) == [
                "nft-ip6.rules": "new", "iptables-legacy-ip6.rules": "*nat\nCOMMIT\n",
            ])
        try Command.run("sh", "-c", "cd \(archive.directory) && sha256sum --strict --check SHA256SUMS")
        try archive.remove()
        #expect(!archive.exists)
    }

    @Test("what was saved before is there again when a second time is undone")
    func restores() throws {
        let directory = try TemporaryDirectory()
        let archive = RuleArchive(directory: FilePath(directory.path).appending("kube-proxy"))
        #expect(try archive.save([found(.nft, "first")]).isEmpty)
        let before = try archive.save([found(.nft, "second"), found(.iptablesNFT, "*nat\nCOMMIT\n")])
        try archive.restore(before)
        #expect(try archive.read().mapKeys(\.fileName) == ["nft-ip6.rules": "first"])
        try archive.restore([:])
        #expect(!archive.exists)
    }

    @Test("root follows no link of others, and uses nothing that they can write")
    func followsNoLink() throws {
        let directory = try TemporaryDirectory()
        let root = FilePath(directory.path)
        let archive = RuleArchive(directory: root.appending("kube-proxy"))
        try Command.run("sh", "-c", "mkdir -m 0777 \(archive.directory); echo secret > \(root)/precious")
        // A directory that others can write is not used.
        #expect(throws: TakeoverError.self) { try archive.save([found(.nft, "rules")]) }
        try Command.run("sh", "-c", "chmod 0700 \(archive.directory)")
        for name in [".nft-ip6.rules.draft", "nft-ip6.rules"] {
            try Command.run("ln", "-s", "\(root)/precious", "\(archive.directory)/\(name)")
        }
        _ = try archive.save([found(.nft, "rules")])
        #expect(try archive.read().mapKeys(\.fileName) == ["nft-ip6.rules": "rules"])
        #expect(try String(contentsOfFile: "\(root)/precious", encoding: .utf8) == "secret\n")
        // Nor is a link that is put there later, or a file that others can write.
        try Command.run("sh", "-c", "cd \(archive.directory) && cp nft-ip6.rules ../r && ln -sf ../r nft-ip6.rules")
        #expect(throws: TakeoverError.self) { try archive.read() }
        try Command.run(
            "sh", "-c",
            "cd \(archive.directory) && rm nft-ip6.rules && cp ../r nft-ip6.rules && chmod 666 nft-ip6.rules")
        #expect(throws: TakeoverError.self) { try archive.read() }
        try Command.run("mv", archive.directory.string, "\(root)/moved")
        try Command.run("ln", "-s", "\(root)/moved", archive.directory.string)
        #expect(throws: TakeoverError.self) { try archive.read() }
    }

    @Test("a file that was changed is not used")
    func notices() throws {
        let directory = try TemporaryDirectory()
        let archive = RuleArchive(directory: FilePath(directory.path).appending("kube-proxy"))
        let saved = found(.nft, "table ip6 kube-proxy {\n}\n")
        _ = try archive.save([saved])
        try Command.run("sh", "-c", "echo >> \(archive.file(of: saved.place))")
        #expect(throws: TakeoverError.self) { try archive.read() }
    }
}

extension Dictionary {
    fileprivate func mapKeys<New: Hashable>(_ change: (Key) -> New) -> [New: Value] {
        Dictionary<New, Value>(uniqueKeysWithValues: map { (change($0.key), $0.value) })
    }
}
