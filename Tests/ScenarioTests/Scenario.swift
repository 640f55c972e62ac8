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
        return CompileReport(
            events: order(events), problems: problems, settings: try settings(in: objects),
            pods: { ManifestLoader.view(of: [folder.path]) })
    }

    private func settings(in objects: String) throws -> CompileSettings {
        let prefix = "# compile: "
        let line = try #require(
            objects.split(separator: "\n").first { $0.hasPrefix(prefix) }, "\(name) has no line \"\(prefix)--node …\"")
        var words = line.dropFirst(prefix.count).split(separator: " ").map(String.init)[...]
        var settings = CompileSettings(nodeName: "")
        while let option = words.popFirst() {
            if option == "--masquerade-all" {
                settings.node.masqueradesAll = true
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
        case "--node": node.name = value
        case "--service-proxy-name": node.proxyName = value
        case "--cluster-cidr":
            node.localTraffic.clusterCIDRs = try value.split(separator: ",").map { try #require(CIDR(String($0))) }
        case "--detect-local-mode": node.localTraffic.mode = try #require(LocalTrafficMode(rawValue: value))
        case "--pod-bridge-interface": node.localTraffic.bridgeInterface = value
        case "--pod-interface-name-prefix": node.localTraffic.interfaceNamePrefix = value
        case "--feature-gates":
            #expect(value == "AllowServiceExternalIPs=false")
            node.servesExternalIPs = false
        case "--node-address": nodeAddresses.append(try #require(IPAddress(value)))
        case "--nodeport-addresses":
            node.nodePorts =
                value == "all" ? .all : .within(value.split(separator: ",").compactMap { CIDR(String($0)) })
        default: Issue.record("unknown option \(option)")
        }
    }
}
