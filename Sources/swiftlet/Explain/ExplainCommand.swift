import ArgumentParser
import DatapathInstall
import FoundationEssentials
import KubernetesObjects
import ManifestDirectory
import NodeNetwork
import Reporting
import ServiceMaps
import ServiceModel
import Settings
import SwiftletDaemon

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why traffic to a Service does not arrive, and what to change.",
        discussion: """
            Follows a connection from the address to the endpoint. Each step is the compiler's own decision, checked against
            the kernel's maps where they are; the last line names the object, the field and the remedy. It asks the daemon
            that runs here, or works from --manifests alone. Exit code 0: it would work; 4: it would not; 1: it cannot be told.

            Examples:
              swiftlet explain my-api
              swiftlet explain 10.96.0.15:80 --connect
              swiftlet explain prod/web:http --pid 411
              swiftlet explain web.prod.svc.cluster.local
              swiftlet explain 192.0.2.1:30080 --outside 198.51.100.7
              swiftlet explain my-api --manifests ./examples --node demo-node
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Argument(
        help: ArgumentHelp(
            "ADDRESS:PORT, [NAMESPACE/]NAME[:PORT], either with /PROTOCOL, or a name of DNS.", valueName: "subject"),
        completion: .services)
    var subject: String

    @Option(name: .shortAndLong, help: ArgumentHelp("Namespace of a name that has none.", valueName: "namespace"))
    var namespace: String?

    @Option(help: ArgumentHelp("The client is this pod.", valueName: "namespace/pod"))
    var from: String?

    @Option(help: ArgumentHelp("The client is this process.", valueName: "pid"))
    var pid: Int32?

    @Option(
        help: ArgumentHelp("The client is outside the node and has this address.", valueName: "ip"),
        transform: IPAddress.init(setting:))
    var outside: IPAddress?

    @Flag(help: "Ask for UDP.")
    var udp = false

    @Flag(help: "Connect to each endpoint once (TCP, 1 s each), in the network namespace of --pid or --from.")
    var connect = false

    @Option(
        help: ArgumentHelp("Read this directory of manifests and ask no daemon; may be repeated.", valueName: "dir"),
        completion: .directory)
    var manifests: [String] = []

    @Option(help: ArgumentHelp("With --manifests: the node to explain for.", valueName: "name"))
    var node: String?

    @Option(
        help: ArgumentHelp("With --manifests: an address of the node; may be repeated.", valueName: "ip"),
        transform: IPAddress.init(setting:))
    var nodeAddress: [IPAddress] = []

    @OptionGroup var pins: PinOptions

    @Option(name: .shortAndLong, help: "How to print.")
    var output: Format = .text

    func validate() throws {
        guard [from != nil, pid != nil, outside != nil].count(where: \.self) <= 1 else {
            throw ValidationError("write one of --from, --pid and --outside")
        }
        if let outside, outside.isLoopback || outside.isUnspecified || outside.isMulticast {
            throw ValidationError("--outside \(outside): that is no client's address")
        }
        if let outside, nodeAddress.contains(outside) { throw Self.ownAddress(outside) }
        if !manifests.isEmpty, node == nil { throw ValidationError("name the node: --node NAME") }
    }

    func run() throws {
        let question = try question()
        let explainer = try explainer(question)
        var look = NodeLook(pins: pins, podAddresses: explainer.clientAddresses(of: question))
        if let outside, manifests.isEmpty, look.network?.addresses.contains(where: { $0.address == outside }) == true {
            throw Self.ownAddress(outside)
        }
        let destinations = Array(explainer.destinations(of: question).prefix(Self.mostDestinations))
        var facts = destinations.map { manifests.isEmpty ? look.facts(for: $0, question.client) : ExplainFacts() }
        let others = manifests.isEmpty && destinations.isEmpty ? look.facts(for: nil, question.client) : ExplainFacts()
        for (index, destination) in destinations.enumerated() where connect && destination.port.proto == .tcp {
            look.connect(destination, of: question.client, noting: &facts[index])
        }
        let seen = Dictionary(zip(destinations, facts), uniquingKeysWith: { first, _ in first })
        var explanation = explainer.with(others).explain(question, seeing: seen)
        if connect, let proto = destinations.map(\.port.proto).first(where: { $0 != .tcp }) {
            explanation.unseen.append("--connect asks by TCP only: no endpoint was asked by \(proto)")
        }
        if manifests.isEmpty {
            NameLook(ExplainQuestion.Subject.parted(subject).text, pins: pins)?.complete(&explanation)
        }
        switch output {
        case .text: print(explanation.text)
        case .json: print(try explanation.json())
        }
        // Of what is no Service's nothing is known.
        if explanation.verdict.code == ReasonCode.podAddress.rawValue { throw ExitCode.failure }
        if !explanation.works { throw ExitCode.wouldNotWork }
    }

    /// Of a Service with more ports the others are judged by the objects alone.
    private static let mostDestinations = 32

    private func question() throws -> ExplainQuestion {
        if let complaint = ExplainQuestion.Subject.complaint(about: subject) { throw ValidationError(complaint) }
        let (words, proto) = ExplainQuestion.Subject.parted(subject)
        guard let subject = ExplainQuestion.Subject(words, namespace: namespace) else {
            throw ValidationError("\(subject) is neither ADDRESS:PORT nor [NAMESPACE/]NAME[:PORT]")
        }
        if udp, let proto, proto != .udp { throw ValidationError("write one of /\(proto) and --udp") }
        var question = ExplainQuestion(subject, proto: proto ?? (udp ? .udp : nil))
        if let outside { question.client = .outside(outside) }
        if let pid {
            question.client = .process(pid, command: try ProcessEntry.mustRun(pid))
        }
        if let from {
            let parts = from.split(separator: "/").map(String.init)
            guard let name = parts.last, parts.count <= 2 else { throw ValidationError("write --from NAMESPACE/POD") }
            question.client = .pod(
                ObjectName(namespace: parts.count == 2 ? parts[0] : namespace ?? "default", name: name))
        }
        return question
    }

    private static func ownAddress(_ address: IPAddress) -> ValidationError {
        ValidationError("--outside \(address): that is an address of this node; ask without --outside")
    }

    private func explainer(_ question: ExplainQuestion) throws -> Explainer {
        if manifests.isEmpty { return try ClusterLook.explainer(of: question, pins: pins) }
        var settings = CompileSettings(nodeName: node ?? "")
        settings.nodeAddresses = nodeAddress
        return Explainer(view: ManifestLoader.view(of: manifests), settings: settings)
    }
}

extension ExitCode {
    /// `explain`: a connection would not arrive.
    static let wouldNotWork = ExitCode(4)
}
