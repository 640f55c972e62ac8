import DatapathInstall
import SystemPackage
package import Takeover
import SystemCalls

/// What of a kube-proxy is on this node: its processes, and what it has written into the kernel.
package struct KubeProxyTraces: Sendable {
    package var rules: [FoundRules] = []
    package var processes: [KubeProxyProcess] = []
    /// What its ipvs mode has left; nil if it has left nothing.
    package var ipvs: String?
    /// Places that cannot be looked at for want of a tool, and why.
    package var unseen: [String] = []
    /// Places that a tool could not look at, and why.
    package var closed: [String] = []
    /// Rules were removed, and can be put back.
    package var hasArchive = false

    /// Looks; changes nothing.
    package static func find(_ archive: RuleArchive) -> KubeProxyTraces {
        var traces = KubeProxyTraces()
        for place in RulePlace.all {
            guard place.isReadable else {
                traces.unseen.append("\(place): \(place.readerName) is not installed")
                continue
            }
            do throws(TakeoverError) {
                if let found = try place.find() { traces.rules.append(found) }
            } catch {
                traces.closed.append("\(place): \(error)")
            }
        }
        traces.processes = KubeProxyProcess.all()
        traces.ipvs = IPVS.trace()
        traces.hasArchive = archive.exists
        return traces
    }

    /// It is here now.
    var isPresent: Bool { !rules.isEmpty || !processes.isEmpty || ipvs != nil }

    /// Connections may be under way that it translates, or has translated: also where that cannot be seen, be it for want of
    /// a tool or of a right.
    var mayHaveConnections: Bool { hasArchive || isPresent || !isWhole }

    /// All places were looked at.
    package var isWhole: Bool { unseen.isEmpty && closed.isEmpty }

    /// One line for people; nil if there is nothing to say.
    package var summary: String? {
        var parts: [String] = []
        if !rules.isEmpty { parts.append("rules in \(rules.map { "\($0.place)" }.joined(separator: " and "))") }
        if let ipvs { parts.append(ipvs) }
        if !processes.isEmpty {
            parts.append("process \(processes.map { "\($0.pid)" }.joined(separator: ", "))")
        }
        guard parts.isEmpty else {
            return parts.joined(separator: "; ") + ": see what `swiftlet takeover --dry-run` would do"
        }
        return hasArchive
            ? "its rules were removed; `swiftlet takeover --rollback` puts them back, `--finish` forgets them" : nil
    }
}

extension RunDirectory {
    /// Where the rules of kube-proxy are kept that were removed: in a directory of root, not of the daemon.
    package var archive: RuleArchive {
        RuleArchive(directory: FilePath("/run/swiftlet-takeover").appending(path.lastComponent?.string ?? ""))
    }
}
