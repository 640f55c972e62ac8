import DatapathInstall
import FoundationEssentials
import KubernetesObjects
import ManifestDirectory
import Reporting
import ServiceMaps
import ServiceModel
import Settings
import SwiftletDaemon

/// A close look at what the daemon that runs here compiles: its manifests, or what it lists of its cluster.
enum ClusterLook {
    static func explainer(of question: ExplainQuestion, pins: PinOptions) throws -> Explainer {
        let report = try node(pins)
        let path = path(of: question)
        let own = try ServedLook(path, on: report.name, pins: pins)
        var view = ManifestLoader.view(of: report.manifests)
        if report.manifests.isEmpty {
            let isServed = own.map { $0.serves(question, on: report.configuration) } ?? false
            if case .pod(let client) = question.client {
                view = try self.view(path: "\(path)@\(client)", pins: pins, needsAll: !isServed)
            } else {
                view = try self.view(path: path, pins: pins, needsAll: !isServed)
            }
        }
        if let own {
            view.take(served: own.view.events, withSlicesOf: own.subjects)
            view.kept = own.view.kept
        }
        return Explainer(view: view, node: report.configuration)
    }

    /// Nil where there is no Service to look at.
    static func explainer(of service: ServiceListing.Item?, pins: PinOptions) throws -> Explainer? {
        guard let service else { return nil }
        let subject = ExplainQuestion.Subject.service(namespace: service.namespace, name: service.name, port: nil)
        return try explainer(of: ExplainQuestion(subject), pins: pins)
    }

    /// How the daemon is asked about a subject.
    private static func path(of question: ExplainQuestion) -> String {
        switch question.subject {
        case .address(let address, let port): return FrontendKey.socket(address, port)
        case .service(_, let name, _) where IPAddress(name) != nil: return name
        case .service(let namespace, let name, _):
            // Of what can be no name the daemon needs to know nothing.
            return "\(namespace ?? "*")/\(name)".filter {
                $0.isASCII && ($0.isLetter || $0.isNumber || "-./*".contains($0))
            }
        }
    }

    /// What the daemon that runs here compiles for.
    static func node(_ pins: PinOptions) throws -> NodeReport {
        guard
            let report = ControlClient.ask(.node, at: pins.runDirectory)
                .flatMap({ try? ReportCoding.decoder().decode(NodeReport.self, from: $0) })
        else {
            if let holder = pins.runDirectory.holder {
                throw CommandError(.daemonSilent, "the daemon (process \(holder)) does not answer; look at its log")
            }
            throw CommandError(
                .daemonSilent,
                "no daemon answers below \(pins.bpfRoot); start `swiftlet run`, or name --manifests DIR and --node NAME"
            )
        }
        return report
    }

    /// What the API server lists about `NAMESPACE/NAME`, or about an address. Without pods and Nodes something can be said;
    /// without Services and slices what is there would seem not to be.
    ///
    /// - Parameter needsAll: the daemon does not serve the Service, so that only the API server says what there is.
    static func view(path: String, pins: PinOptions, needsAll: Bool = true) throws -> ClusterView {
        guard
            let look = ControlClient.ask(look: path, at: pins.runDirectory)
                .flatMap({ try? ReportCoding.decoder().decode(LookReport.self, from: $0) })
        else { throw CommandError(.apiServerFailed, "the daemon cannot ask the API server now; look at its log") }
        var view = ManifestLoader.view(ofList: Array(look.list.utf8), from: "the API server")
        view.unseen = look.unseen
        view.hasAllPods = look.unseen.isEmpty
        if needsAll,
            let missing = look.unseen.first(where: { unseen in !["pods", "nodes"].contains(where: unseen.contains) })
        {
            throw CommandError(
                .apiServerFailed, "cannot look at the cluster: \(missing); `swiftlet services` shows what is served")
        }
        return view
    }
}

/// What the daemon serves of a subject, and where only the maps know that, what they have.
private struct ServedLook {
    private(set) var view = ClusterView()
    /// The Services that are asked about, as the daemon understands it.
    private let asked: Set<ObjectName>
    /// Those whose slices are among the events.
    private(set) var subjects: Set<ObjectName>

    /// Nil where the daemon knows nothing yet.
    init?(_ path: String, on node: String, pins: PinOptions) throws {
        guard let served = ControlClient.ask(served: path, at: pins.runDirectory) else { return nil }
        view.events = ObjectLines.events(of: served.objects)
        asked = Set(served.subjects.map(\.object))
        subjects = asked
        for kept in served.kept { view.kept[kept.service.object] = kept.cause }
        let inMaps = served.kept.filter(\.isInMaps).map(\.service.object)
        if inMaps.isEmpty { return }
        let programmed = try ProgrammedState.read(from: BPFMapStore(pins: pins.pins))
        for name in inMaps { view.take(programmed.events(of: name, on: node), of: name) }
        subjects.formUnion(inMaps)
    }

    /// Whether the daemon alone can tell that there is such a Service.
    func serves(_ question: ExplainQuestion, on node: NodeConfiguration) -> Bool {
        let isNamed = view.events.contains { event in
            if case .service(let service) = event { asked.contains(service.name) } else { false }
        }
        return isNamed || !Explainer(view: view, node: node).destinations(of: question).isEmpty
    }
}
