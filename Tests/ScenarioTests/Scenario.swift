import Foundation
import ManifestDirectory
import Reporting
import ServiceModel
import Testing

/// A folder of plain files: `objects.yaml`, and `expected.txt`, which is what `swiftlet compile` prints of it.
struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var testDescription: String { name }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Scenarios")

    /// All of them, in the order of the rules.
    static let all: [Scenario] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.hasPrefix("spec-") }.sorted().map(Scenario.init)
    }()

    private func file(_ name: String) -> URL { Self.root.appendingPathComponent("\(self.name)/\(name)") }

    func objects() throws -> String { try String(contentsOf: file("objects.yaml"), encoding: .utf8) }

    func expected() throws -> String { try String(contentsOf: file("expected.txt"), encoding: .utf8) }

    func expect(_ text: String) throws { try text.write(to: file("expected.txt"), atomically: true, encoding: .utf8) }

    /// What the objects come to, with the options that their file names in a line `# compile: --node here …`.
    func report() throws -> CompileReport {
        let objects = try objects()
        let (events, problems) = ManifestLoader.load(text: objects, named: "objects.yaml")
        return CompileReport(events: events, problems: problems, settings: try settings(in: objects))
    }

    private func settings(in objects: String) throws -> CompileSettings {
        let prefix = "# compile: "
        let line = try #require(
            objects.split(separator: "\n").first { $0.hasPrefix(prefix) }, "\(name) has no line \"\(prefix)--node …\"")
        var words = line.dropFirst(prefix.count).split(separator: " ").map(String.init)[...]
        var settings = CompileSettings(nodeName: "")
        while let option = words.popFirst() {
            if option == "--masquerade-all" {
                settings.masqueradesAll = true
                continue
            }
            let value = words.popFirst()
            try settings.set(option, to: try #require(value, "\(option) has no value"))
        }
        return settings
    }
}

extension CompileSettings {
    fileprivate mutating func set(_ option: String, to value: String) throws {
        switch option {
        case "--node": nodeName = value
        case "--service-proxy-name": proxyName = value
        case "--node-address": nodeAddresses.append(try #require(IPAddress(value)))
        case "--nodeport-addresses":
            nodePorts = value == "all" ? .all : .within(value.split(separator: ",").compactMap { CIDR(String($0)) })
        default: Issue.record("unknown option \(option)")
        }
    }
}
