import Foundation
import Testing

/// The targets as Package.swift and docs/architecture.md have them, and what each must not know.
@Suite("The house")
struct HouseTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private static func sources(_ target: String) throws -> [(name: String, text: String)] {
        let directory = root.appending(path: "Sources/\(target)")
        let files = FileManager.default.enumerator(at: directory, includingPropertiesForKeys: nil)
        return try (files?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" }.map {
            ($0.lastPathComponent, try String(contentsOf: $0, encoding: .utf8))
        }
    }

    /// The targets of the package, tests and test kits aside, and those that each depends on.
    private static func packageTargets() throws -> [String: Set<String>] {
        let package = try text("Package.swift")
        let all = package.matches(of: #/\.(?:target|executableTarget|systemLibrary)\(\s*name: "([^"]+)"/#)
        let starts = package.matches(of: #/\.(?:target|executableTarget|systemLibrary|testTarget)\(\s*name: /#)
            .map(\.range.lowerBound)
        let pairs = all.compactMap { match -> (String, Set<String>)? in
            let end = starts.first { $0 > match.range.lowerBound } ?? package.endIndex
            let block = package[match.range.lowerBound..<end]
            guard !block.contains(#"path: "Tests/"#) else { return nil }
            let lists = block.firstMatch(of: #/dependencies: \[([^\]]*)\]/#)?.1 ?? ""
            let own = lists.replacing(#/\.product\([^)]*\)/#, with: "").matches(of: #/"([^"]+)"/#).map { String($0.1) }
            return (String(match.1), Set(own))
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    /// The lines `target ─▶ target, target` of the drawing.
    private static func drawnTargets() throws -> [String: Set<String>] {
        let page = try text("docs/architecture.md")
        let section = try #require(page.split(separator: "\n## ").first { $0.hasPrefix("The house") })
        let drawing = try #require(section.split(separator: "```", omittingEmptySubsequences: false).dropFirst().first)
        let lines = drawing.split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Dictionary(
            lines.map { line in
                let ends = line.split(separator: "─▶").map { $0.trimmingCharacters(in: .whitespaces) }
                let targets = ends.dropFirst().flatMap { $0.split(separator: ",") }
                return (ends[0], Set(targets.map { $0.trimmingCharacters(in: .whitespaces) }))
            }, uniquingKeysWith: { $0.union($1) })
    }

    @Test("the drawing has the targets of Package.swift, and their arrows")
    func drawing() throws {
        let (package, drawn) = (try Self.packageTargets(), try Self.drawnTargets())
        #expect(package.count > 20)
        #expect(Set(drawn.keys) == Set(package.keys))
        for (target, arrows) in package { #expect(drawn[target] == arrows, "\(target)") }
    }

    @Test("what is in Sources depends on no test kit")
    func kits() throws {
        let package = try Self.packageTargets()
        for (target, arrows) in package { #expect(arrows.subtracting(package.keys) == [], "\(target)") }
    }

    @Test("settings know no map and no program")
    func settings() throws {
        for file in try Self.sources("Settings") {
            for module in ["CDatapath", "BPFLoader", "ServiceMaps", "DatapathInstall", "SocketDestroy"] {
                #expect(!file.text.contains("import \(module)\n"), "\(file.name) imports \(module)")
            }
        }
    }

    @Test("what installs the datapath knows neither the whole configuration nor the control plane")
    func install() throws {
        for file in try Self.sources("DatapathInstall") {
            for word in [
                #/\bConfiguration\b/#, #/\bControlPlane\b/#, #/\bDaemonReport\b/#, #/import KubernetesObjects\n/#,
            ] {
                #expect(!file.text.contains(word), "\(file.name)")
            }
        }
    }

    @Test("programs of the lab need the daemon only where they run one")
    func lab() throws {
        let users = try Self.sources("swiftlet-lab").filter { $0.text.contains("import SwiftletDaemon\n") }.map(\.name)
        #expect(users == ["OtherBuild.swift"])
    }

    @Test("bytes are written in one place: a call that a signal interrupts is made again")
    func writing() throws {
        let targets = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: "Sources").path)
        let loop = #/\b(Glibc\.)?write\(\w+(\.\w+)?, \$0\.baseAddress/#
        let files = try targets.flatMap { target in
            try Self.sources(target).filter { $0.text.contains(loop) }.map { "\(target)/\($0.name)" }
        }
        #expect(files == [])
    }

    @Test("processes are started in one place")
    func spawning() throws {
        let targets = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: "Sources").path)
        let files = try targets.flatMap { target in
            try Self.sources(target).filter { $0.text.contains("posix_spawn") }.map { "\(target)/\($0.name)" }
        }
        #expect(files == ["SystemCalls/Spawn.swift"])
    }
}
