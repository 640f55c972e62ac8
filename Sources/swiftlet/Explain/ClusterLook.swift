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
        var path: String
        switch question.subject {
        case .address(let address, let port): path = FrontendKey.socket(address, port)
        case .service(_, let name, _) where IPAddress(name) != nil: path = name
        case .service(let namespace, let name, _):
            // Of what can be no name the daemon needs to know nothing.
            path = "\(namespace ?? "*")/\(name)".filter {
                $0.isASCII && ($0.isLetter || $0.isNumber || "-./*".contains($0))
            }
        }
        if case .pod(let client) = question.client { path += "@\(client)" }
        return try explainer(path: path, pins: pins)
    }

    /// Nil where there is no Service to look at.
    static func explainer(of service: ServiceListing.Item?, pins: PinOptions) throws -> Explainer? {
        guard let service else { return nil }
        return try explainer(path: "\(service.namespace)/\(service.name)", pins: pins)
    }

    private static func explainer(path: String, pins: PinOptions) throws -> Explainer {
        let report = try node(pins)
        let subject = "\(path.prefix { $0 != "@" })"
        let served = ControlClient.ask(served: subject, at: pins.runDirectory)
        let subjects = Set((served?.subjects ?? []).map(\.object))
        let events = served.map { ObjectLines.events(of: $0.objects) } ?? []
        let isServed = events.contains { event in
            if case .service(let service) = event { subjects.contains(service.name) } else { false }
        }
        var view =
            report.manifests.isEmpty
            ? try view(path: path, pins: pins, needsAll: !isServed) : ManifestLoader.view(of: report.manifests)
        if let served {
            view.take(served: events, withSlicesOf: subjects)
            for kept in served.kept { view.kept[kept.service.object] = kept.cause }
            let inMaps = served.kept.filter(\.isInMaps).map(\.service.object)
            if !inMaps.isEmpty {
                let programmed = try ProgrammedState.read(from: BPFMapStore(pins: pins.pins))
                for name in inMaps { view.take(programmed.events(of: name, on: report.name), of: name) }
            }
        }
        return Explainer(view: view, node: report.configuration)
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
