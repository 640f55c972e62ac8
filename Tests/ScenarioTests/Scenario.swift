import Foundation
import ManifestDirectory
import Reporting
import ServiceModel
import Testing

/// A folder of plain files: `objects.yaml`, and what `swiftlet compile` prints of it.
struct Scenario: Sendable, CustomTestStringConvertible {
    var folder: URL

    var name: String { folder.lastPathComponent }
    var testDescription: String { name }

    /// All of them, in the order of the rules.
    static let all: [Scenario] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scenarios")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.hasPrefix("spec-") }.sorted()
            .map { Scenario(folder: root.appendingPathComponent($0)) }
    }()

    func read(_ file: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
    }

    func write(_ text: String, to file: String) throws {
        try text.write(to: folder.appendingPathComponent(file), atomically: true, encoding: .utf8)
    }

    /// What the objects come to, with the options that their file names in a line `# compile: --node here …`.
    ///
    /// - Parameter order: the order in which the objects become known.
    func report(order: ([ClusterEvent]) -> [ClusterEvent] = { $0 }) throws -> CompileReport {
        let objects = try read("objects.yaml")
        let (events, problems) = ManifestLoader.load(text: objects, named: "objects.yaml")
        return CompileReport(events: order(events), problems: problems, settings: try settings(in: objects))
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
