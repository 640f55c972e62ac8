import Foundation
import KubernetesObjects
import ManifestDirectory
import Reporting
import ServiceModel
import Testing

/// A folder with a fault in it: `objects.yaml`, what was seen of the node in `facts.txt` where that matters, and the last
/// line of `swiftlet explain` in `expected.txt`.
struct Fault: Sendable, CustomTestStringConvertible {
    var folder: URL

    var testDescription: String { folder.lastPathComponent }

    static let all: [Fault] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Faults")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.contains("-") }.sorted().map { Fault(folder: root.appendingPathComponent($0)) }
    }()

    func read(_ file: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
    }

    /// What is explained, by the line `# explain: SUBJECT --node NAME …` of the objects.
    func explanation() throws -> Explanation {
        let objects = try read("objects.yaml")
        let prefix = "# explain: "
        let line = try #require(objects.split(separator: "\n").first { $0.hasPrefix(prefix) }, "no line \(prefix)")
        var words = line.dropFirst(prefix.count).split(separator: " ").map(String.init)[...]
        let first = words.popFirst()
        let subject = try #require(first.flatMap { ExplainQuestion.Subject($0) })
        var question = ExplainQuestion(subject)
        var settings = CompileSettings(nodeName: "")
        var (isCluster, hasAllPods) = (false, false)
        var kept: [ObjectName: String] = [:]
        while let option = words.popFirst() {
            let value = option.isFlag ? "" : words.popFirst() ?? ""
            switch option {
            case "--udp": question.proto = .udp
            case "--cluster": isCluster = true
            case "--all-pods": hasAllPods = true
            case "--kept": kept[ObjectName(namespace: "default", name: "my-api")] = "\(value) cannot be parsed"
            case "--node": settings.node.name = value
            case "--outside": question.client = .outside(try address(value))
            case "--node-address": settings.nodeAddresses.append(try address(value))
            case "--from":
                question.client = .pod(ObjectName(namespace: "default", name: value))
            case "--pid":
                question.client = .process(try #require(Int32(value)), command: "curl")
            default: Issue.record("\(option) is no option")
            }
        }
        var view = ManifestLoader.view(of: [folder.path], synthesizes: !isCluster)
        view.hasAllPods = hasAllPods
        view.kept = kept
        return Explainer(view: view, facts: try facts(), settings: settings).explain(question)
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func facts() throws -> ExplainFacts {
        guard let text = try? read("facts.txt") else { return ExplainFacts() }
        return try JSONDecoder().decode(ExplainFacts.self, from: Data(text.utf8))
    }
}

extension String {
    fileprivate var isFlag: Bool { ["--udp", "--cluster", "--all-pods"].contains(self) }
}
