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
        try archive.save([found(.nft, "table ip6 kube-proxy {\n}\n")])
        // A second time adds, and replaces what is there.
        try archive.save([found(.nft, "new"), found(.iptablesLegacy, "*nat\nCOMMIT\n")])
        #expect(
            try archive.read().mapKeys(\.fileName) == [
                "nft-ip6.rules": "new", "iptables-legacy-ip6.rules": "*nat\nCOMMIT\n",
            ])
        try Command.run("sh", "-c", "cd \(archive.directory) && sha256sum --strict --check SHA256SUMS")
        try archive.remove()
        #expect(!archive.exists)
    }

    @Test("a file that was changed is not used")
    func notices() throws {
        let directory = try TemporaryDirectory()
        let archive = RuleArchive(directory: FilePath(directory.path))
        let saved = found(.nft, "table ip6 kube-proxy {\n}\n")
        try archive.save([saved])
        try Command.run("sh", "-c", "echo >> \(archive.file(of: saved.place))")
        #expect(throws: TakeoverError.self) { try archive.read() }
    }
}

extension Dictionary {
    fileprivate func mapKeys<New: Hashable>(_ change: (Key) -> New) -> [New: Value] {
        Dictionary<New, Value>(uniqueKeysWithValues: map { (change($0.key), $0.value) })
    }
}
