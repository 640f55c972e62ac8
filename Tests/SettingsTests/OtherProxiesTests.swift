import ArgumentParser
import Foundation
import NetworkLab
import Testing

@testable import swiftlet

/// What docs/from-kube-proxy.md and docs/from-cilium.md say that is ours, beside the program.
@Suite("the pages for those who come from another proxy")
struct OtherProxiesTests {
    private static let docs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs")

    /// The last column of the tables whose last title is `swiftlet`, of both pages.
    private func ours() throws -> String {
        try ["from-kube-proxy.md", "from-cilium.md"].flatMap { name in
            let page = try String(contentsOf: Self.docs.appendingPathComponent(name), encoding: .utf8)
            var isOurs = false
            return page.split(separator: "\n", omittingEmptySubsequences: false).compactMap { line -> String? in
                if line.hasSuffix("| swiftlet |") { isOurs = true }
                if !line.hasPrefix("|") { isOurs = false }
                return isOurs ? line.replacing("\\|", with: "/").split(separator: "|").last.map(String.init) : nil
            }
        }.joined(separator: "\n")
    }

    @Test("commands that are named exist")
    func commands() throws {
        let known = Set(Swiftlet.configuration.subcommands.compactMap { $0.configuration.commandName })
        let named = try ours().matches(of: #/`swiftlet ([a-z][^`]*)`/#).map {
            $0.1.split(separator: " ").map(String.init)
        }
        #expect(named.count > 20)
        for words in named { #expect(known.contains(Aliases.rewritten(words)[0]), "swiftlet \(words)") }
    }

    @Test("flags that are named exist")
    func flags() throws {
        let help = try CommandLineTests().run(["--experimental-dump-help"]).output
        let known = Set(
            help.matches(of: #/"kind" : "long(?:WithSingleDash)?",\s*"name" : "([^"]+)"/#).map { String($0.1) })
        #expect(known.count > 60)
        let named = try ours().matches(of: #/--([a-z][a-z0-9-]+)/#).map { String($0.1) }
        #expect(named.count > 20)
        for flag in named { #expect(known.contains(flag), "--\(flag)") }
    }

    @Test("metrics that are named exist")
    func metrics() throws {
        let page = try String(contentsOf: Self.docs.appendingPathComponent("metrics.md"), encoding: .utf8)
        let named = try ours().matches(of: #/`((?:swiftlet|kubeproxy|process|rest_client)_[a-z_]+)`/#).map { $0.1 }
        #expect(named.count > 10)
        for metric in named { #expect(page.contains("| `\(metric)` |"), "\(metric)") }
    }
}
