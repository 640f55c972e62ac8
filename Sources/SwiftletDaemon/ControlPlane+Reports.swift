import BPFLoader
import FoundationEssentials
import Glibc
import KubernetesAPI
import KubernetesObjects
import Logging
import NameServer
import Observability
import ServiceMaps
import ServiceModel
import Settings
import SystemCalls
import SystemPackage

// MARK: - What a person must know

extension ControlPlane {
    func reportConflicts() {
        if compiler.conflictsRevision == reportedConflictsRevision { return }
        reportedConflictsRevision = compiler.conflictsRevision
        let conflicts = Set(compiler.conflicts)
        var lines = LogRun(log, .warning)
        for (service, text) in conflicts.subtracting(reportedConflicts).sorted().lines {
            lines.add("two Services claim one frontend", metadata: ["conflict": "\(text)"])
            warn(
                ServiceWarning(
                    service: service, reason: "FrontendConflict", action: "Programming",
                    note: Reason(.conflict, text: text).note))
        }
        lines.end()
        reportedConflicts = conflicts
    }

    /// Each failure is logged when it appears, not at every retry. One that growing helps against is none yet.
    func reportFailures(_ report: ApplyReport) {
        var lines = LogRun(log, .error)
        for failure in explained(report.failures) where reportedFailures.insert(failure) {
            lines.add("a Service is not programmed", metadata: ["cause": "\(failure)"])
            guard let service = failure.port?.service else { continue }
            warn(
                ServiceWarning(
                    service: service, reason: "NotProgrammed", action: "Programming",
                    note: failure.reason.note, isOfNode: true))
        }
        lines.end()
        if writer?.isPending != true { reportedFailures = ReportedFailures() }
    }

    /// The daemon's part of `status`.
    func report(_ base: DaemonReport) -> DaemonReport {
        var report = base
        report.lastEventAt = lastEventAt
        report.nodePortAddresses = node.nodePortAddresses.map { "\($0.address)" }
        report.desired = compiler.desired.totals
        report.pending = reportedFailures.lines(for: writer?.pending ?? [])
        report.residentBytes = Self.residentBytes
        let certain = certain
        report.emptyServices = Dictionary(
            uniqueKeysWithValues: EmptyServices(certain, podReasons).counts.filter { $0.value > 0 }
                .map { ($0.key.rawValue, $0.value) })
        report.withoutBackends = certain.services.values.reduce(0) { count, service in
            count + service.ports.count { $0.emptyReason != nil }
        }
        report.firstWithoutBackends = firstWithoutBackends
        report.problems =
            problems.filter(\.isRefusal).map(\.description).sorted() + compiler.conflicts.lines.map(\.text)
            + attention.values.sorted() + endpoints.problems.all + (names?.problems ?? [])
            + keptLines
        report.names = names?.report
        if hasCompleteList, configuration.manifests.isEmpty, state.node(named: nodeName) == nil {
            report.risks.append(
                nodeMemory.known == nil
                    ? "no Node is named \(nodeName): zones, Local policies and the node's addresses are not known; set "
                        + "--node-name"
                    : "the Node \(nodeName) is gone: NodePorts stay at the addresses that it had, its zone is not known"
            )
        }
        report.risks += configuration.node.nodePorts.ranges.filter { range in
            !node.nodePortAddresses.contains { range.contains($0.address) }
        }.map { "no address of this node is in \($0) of --nodeport-addresses: no NodePort is served there" }
        // One odd value of a tenant's is no reason to call the node degraded.
        report.risks +=
            problems.filter { !$0.isRefusal }.map(\.description).sorted() + doubts
            + shownRemarks
        return report
    }

    /// As things are now: a program that listened on a NodePort may have ended. All the rest an API server checks; in a
    /// cluster a cache of DNS may own a ClusterIP, on purpose.
    var doubts: [String] {
        let listening = servesNodePorts ? ListeningPorts.tcp() : []
        if configuration.manifests.isEmpty {
            if listening.isEmpty { return [] }
            return compiler.desired.services.values.flatMap { $0.doubts(onNodeWith: [], listening: listening) }.sorted()
        }
        let own = Set(localAddresses)
        let across = ServiceDoubts(state)
        return compiler.desired.services.values.flatMap { service in
            service.doubts(onNodeWith: own, listening: listening)
                + (state.service(named: service.name).map(across.of) ?? [])
        }.sorted()
    }

    /// A few service ports without a backend, by name, and why.
    private var firstWithoutBackends: [DaemonReport.Empty] {
        let most = 5
        let empty = certain.services.values.filter { $0.ports.contains { $0.emptyReason != nil } }
        let names = empty.map(\.name).sorted().prefix(most)
        let found = names.compactMap { serviceReport($0, in: certain) }.flatMap { service in
            service.ports.compactMap { port in
                port.reason.map { reason in
                    DaemonReport.Empty(
                        namespace: service.namespace, name: service.name, port: port.name, reason: reason,
                        reasonCode: port.reasonCode)
                }
            }
        }
        return Array(found.prefix(most))
    }

    /// The first of them: a balancer that writes 127.0.0.1 does it everywhere.
    private var shownRemarks: [String] {
        let most = 20
        let lines = remarks.flatMap { name, found in found.map { "Service \(name): \($0.text)" } }.sorted()
        return lines.prefix(most) + (lines.count > most ? ["\(lines.count - most) more addresses like these"] : [])
    }

    /// Whether a Service has a NodePort.
    var servesNodePorts: Bool {
        compiler.desired.services.values.contains { service in
            service.ports.contains { $0.frontends.contains { $0.kind == .nodePort } }
        }
    }

    /// Whom NodePorts serve.
    var nodePortUse: NodePortUse {
        var use = NodePortUse()
        for port in compiler.desired.services.values.lazy.flatMap(\.ports) {
            for frontend in port.frontends where frontend.kind == .nodePort {
                use.protocols.insert(frontend.key.proto)
                use.areLeft = use.areLeft || frontend.leavesSockets
            }
        }
        return use
    }

    /// Tries now to listen where it was not possible.
    /// - Returns: what stands in the way still.
    nonisolated func tryToListen() async -> [String] {
        await endpoints.problems.tryNow()
        return endpoints.problems.all
    }

    /// Notes what a part of the daemon wants a person to know; nil when it is well again.
    func setAttention(_ part: String, to text: String?) {
        if let text, attention[part] != text { log.warning("\(part)", metadata: ["cause": "\(text)"]) }
        attention[part] = text
    }

    /// Everything that is known, with a number that tells it from other states; nil before the first complete list.
    var completeState: (revision: Int, events: [ClusterEvent])? {
        guard hasCompleteList else { return nil }
        var events = state.events
        if !ownSubjects.isEmpty { events.removeAll { ownSubjects.contains($0.subject) } }
        // A Node that is gone says still where this node is.
        if state.node(named: nodeName) == nil, let node = nodeMemory.known { events.append(.node(node)) }
        return (revision, events)
    }

    /// The control plane's part of the metrics.
    var wanted: MetricsSnapshot.Wanted {
        let certain = certain
        var wanted = MetricsSnapshot.Wanted(
            totals: compiler.desired.totals, gaps: EndpointGaps(certain),
            emptyServices: EmptyServices(certain, podReasons),
            pendingPorts: writer?.pending.count ?? 0, conflicts: compiler.conflicts.count,
            refusedObjects: problems.count(where: \.isRefusal),
            mapEntries: writer?.statistics.mapValues(\.entries) ?? [:])
        wanted.names = names?.statistics
        wanted.vips = writer?.probeVIPs ?? []
        return wanted
    }

    /// This process's resident memory, from the second field of statm.
    private static var residentBytes: Int {
        let fields = (try? SystemFile.text(of: "/proc/self/statm"))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }

    /// The daemon's part of `services`: every Service that it knows, by name.
    func serviceReports() -> [ServiceReport] {
        let conflicts = Dictionary(grouping: compiler.conflicts, by: \.service)
        let failures = reportedFailures.texts(for: writer?.pending ?? [])
        let kept = keptServices.mapValues { Reason.kept($0) }
        let unknown = kept.keys.filter { state.service(named: $0) == nil }.sorted()
        let certain = certain
        return unknown.map { ServiceReport($0, problems: [kept[$0]].compactMap(\.self)) }
            + state.serviceNames.sorted().compactMap { name in
                serviceReport(
                    name, in: certain, conflicts: conflicts[name] ?? [], remarks: remarks[name] ?? [],
                    others: [kept[name]].compactMap(\.self) + (failures[name] ?? []))
            }
    }

    private func serviceReport(
        _ name: ObjectName, in desired: DesiredState, conflicts: [Conflict] = [], remarks: [AddressRemark] = [],
        others: [String] = []
    ) -> ServiceReport? {
        state.service(named: name).map { service in
            ServiceReport(
                service, desired: desired.services[name], slices: state.slices(of: name), node: node,
                podReasons: podReasons, conflicts: conflicts, remarks: remarks, others: others)
        }
    }
}

extension ServiceReport {
    /// Of one that only the maps know.
    fileprivate init(_ name: ObjectName, problems: [String]) {
        self.init(namespace: name.namespace, name: name.name, type: "unknown", ports: [], problems: problems)
    }

    init(
        _ service: Service, desired: DesiredService?, slices: [EndpointSlice], node: NodeConfiguration,
        podReasons: [ServicePortName: Reason], conflicts: [Conflict], remarks: [AddressRemark], others: [String]
    ) {
        let isPlain = desired?.isPlain(slices) ?? true
        let trace = isPlain ? nil : ServiceTrace(service: service, slices: slices, node: node)
        let told = Dictionary(
            (trace?.ports ?? []).map { port in
                (port.name, Emptiness(service: service, port: port, slices: slices, node: node.name))
            }, uniquingKeysWith: { first, _ in first })
        self.init(
            namespace: service.name.namespace, name: service.name.name, type: service.kind.rawValue,
            externalPolicy: service.externalPolicy.rawValue, internalPolicy: service.internalPolicy.rawValue,
            leftAlone: desired?.leftAlone?.text, leftAloneCode: desired?.leftAlone?.code.rawValue,
            ports: (desired?.ports ?? []).map { port in
                let reason = told[port.name]?.reason.map { podReasons[port.name] ?? $0 }
                let remark = told[port.name]?.remark
                return Port(
                    name: port.name.port, protocol: "\(port.name.proto)", family: Int(port.name.family.rawValue),
                    reason: reason?.text, reasonCode: reason?.code.rawValue, remark: remark?.text,
                    remarkCode: remark?.code.rawValue,
                    addressProblems: conflicts.filter { service.asks($0.frontend, of: port.name) }.lines.map(\.text)
                        + remarks.filter { $0.address.family == port.name.family }.map(\.text))
            },
            problems: conflicts.lines.map(\.text) + remarks.map(\.text) + others)
    }
}

extension Service {
    /// Whether a frontend is one of a port's, in its family.
    fileprivate func asks(_ key: FrontendKey, of name: ServicePortName) -> Bool {
        key.address.family == name.family
            && ports.contains {
                $0.name == name.port && $0.proto == name.proto && key.proto == name.proto
                    && (key.port == $0.port || key.port == $0.nodePort)
            }
    }
}

extension DesiredService {
    /// Whether there is nothing to say of its endpoints: all clients get one that does not terminate.
    fileprivate func isPlain(_ slices: [EndpointSlice]) -> Bool {
        ports.allSatisfy { port in port.emptyReason == nil && port.frontends.allSatisfy { $0.action == .balance } }
            && !slices.contains { $0.endpoints.contains(where: \.terminating) }
    }
}

extension ApplyReport.Failure {
    /// In the words of the catalogue: a map is full, or the kernel refused a write.
    fileprivate var reason: Reason {
        Reason(error.isShortage ? .mapFull : .notProgrammed, text: description, remedy: "")
    }
}

extension Reason {
    /// For an Event: one line, and the code in brackets, by which `swiftlet help reasons` finds it.
    fileprivate var note: String { "\(self) (\(code.rawValue))" }
}

/// Why service ports are not in the maps, as far as a person was told.
struct ReportedFailures {
    private var byPort: [ServicePortName: String] = [:]
    /// Of entries of an unknown origin.
    private var others: Set<String> = []

    /// - Returns: whether this is new.
    mutating func insert(_ failure: ApplyReport.Failure) -> Bool {
        let text = failure.description
        guard let port = failure.port else { return others.insert(text).inserted }
        return byPort.updateValue(text, forKey: port) != text
    }

    /// Forgets the service ports that are in the maps by now: what befalls them later is news.
    mutating func forget(except pending: [ServicePortName]) {
        let before = byPort
        byPort = [:]
        for port in pending { byPort[port] = before[port] }
    }

    /// What is not in the maps of each Service.
    func texts(for pending: [ServicePortName]) -> [ObjectName: [String]] {
        var texts: [ObjectName: [String]] = [:]
        for port in pending {
            if let text = byPort[port] { texts[port.service, default: []].append(Reason.notProgrammed(text)) }
        }
        return texts
    }

    /// A line for each pending service port, the first hundred of them.
    func lines(for pending: [ServicePortName]) -> [String] {
        let limit = 100
        let lines = others.sorted() + pending.prefix(limit).map { byPort[$0] ?? "\($0)" }
        return pending.count > limit ? lines + ["\(pending.count - limit) more service ports"] : lines
    }
}

extension DesiredState {
    var totals: DaemonReport.Totals {
        var totals = DaemonReport.Totals()
        for service in services.values {
            totals.services += 1
            totals.servicePorts += service.ports.count
            totals.backends += service.omittedBackends
            for port in service.ports {
                totals.frontends += port.frontends.count
                totals.backends += port.backends.count
            }
        }
        return totals
    }
}
