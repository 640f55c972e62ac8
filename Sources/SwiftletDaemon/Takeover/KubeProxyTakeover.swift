package import DatapathInstall
import ServiceModel
package import Takeover
import SystemCalls

/// `swiftlet takeover`: takes kube-proxy's rules away once swiftlet is seen to serve what they serve.
///
/// Programs and hooks translate before rules for packets see anything, so that rules which go, and come back, take
/// nothing from new connections.
package struct KubeProxyTakeover {
    private let pins: DatapathPins
    private let archive: RuleArchive
    private let acceptsUnserved: Bool
    /// Told of each step; nil when it is over.
    private let progress: (String?) -> Void

    package init(
        pins: DatapathPins, acceptsUnserved: Bool = false, progress: @escaping (String?) -> Void = { _ in }
    ) {
        self.progress = progress
        self.pins = pins
        self.acceptsUnserved = acceptsUnserved
        archive = RunDirectory(bpfRoot: pins.root).archive
    }

    /// What is there, what would be done, and whether it may be.
    package struct Plan: Sendable {
        package var traces: KubeProxyTraces
        package var checks: [TakeoverCheck]
        package var obstacles: [String]

        package var mayRemove: Bool { obstacles.isEmpty && checks.allSatisfy(\.isGood) }
    }

    /// Looks and asks; changes nothing.
    package func plan() throws -> Plan {
        defer { progress(nil) }
        progress("looking for rules of kube-proxy")
        let traces = KubeProxyTraces.find(archive)
        let checks = traces.rules.isEmpty ? [] : try checks(traces.rules)
        return Plan(traces: traces, checks: checks, obstacles: obstacles(traces))
    }

    private func checks(_ rules: [FoundRules]) throws -> [TakeoverCheck] {
        progress("asking \(rules.reduce(0) { $0 + $1.frontends.count }) frontends")
        return try TakeoverChecks(pins: pins, acceptsUnserved: acceptsUnserved).run(for: rules)
    }

    private func obstacles(_ traces: KubeProxyTraces) -> [String] {
        var obstacles = traces.rules.flatMap { found in found.obstacles.map { "\(found.place): \($0)" } }
        if let ipvs = traces.ipvs {
            obstacles.append(
                "kube-proxy's ipvs mode is here: \(ipvs); swiftlet cannot take over from it: stop kube-proxy, and run "
                    + "`kube-proxy --cleanup`")
        }
        obstacles += traces.processes.map {
            "kube-proxy runs as process \($0.pid) and would put its rules back; end it first: delete its DaemonSet "
                + "(`kubectl -n kube-system delete daemonset kube-proxy`), or stop its service"
        }
        return obstacles
    }

    /// Removes the rules of a plan that may be carried out, asks all again, and puts them back if an answer is bad.
    package func remove(_ plan: Plan) throws {
        precondition(plan.mayRemove, "the plan has obstacles, which its caller has to heed")
        defer { progress(nil) }
        progress("removing the rules")
        try RuleSwap(archive).remove(plan.traces.rules) {
            let bad = try checks(plan.traces.rules).filter { !$0.isGood }
            guard bad.isEmpty else {
                let findings = bad.map { "\($0.subject): \($0.finding)" }.joined(separator: "; ")
                throw DaemonError(.takeoverUndone, "the rules are back as they were, for without them: \(findings)")
            }
        }
    }

    /// Puts back what was removed.
    package func rollback() throws -> [RulePlace: RuleSwap.Restored] {
        guard archive.exists else {
            throw DaemonError(
                .nothingSaved,
                "cannot put back rules of kube-proxy: none are saved in \(archive.directory); "
                    + "start kube-proxy, which writes its rules anew")
        }
        return try RuleSwap(archive).rollback()
    }

    /// Forgets what was removed: there is no way back.
    package func finish() throws -> [RulePlace] {
        guard archive.exists else {
            throw DaemonError(.nothingSaved, "there is nothing to finish: no rules are saved in \(archive.directory)")
        }
        return try RuleSwap(archive).finish()
    }
}
