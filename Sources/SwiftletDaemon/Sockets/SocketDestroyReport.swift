import Settings

/// What `status` says of sockets whose backend is gone.
package struct SocketDestroyReport: Codable, Sendable, Hashable {
    /// `bpf` or `netlink`; nil: none are destroyed.
    package var mechanism: String?
    /// `full`, `host` or `off`, as it was set.
    package var whose: String
    /// Why a mechanism is not used.
    package var reasons: [String] = []
    /// Why pods' network namespaces cannot be entered; nil when they can.
    package var confinement: String?
    /// What enters them for the daemon; nil when nothing does, or the daemon itself.
    package var lender: String?
    /// Network namespaces that the last sweep went over.
    package var namespaces: Int?
    /// Of it: those that it could not, and why.
    package var unreachable: String?
    /// Sockets that were destroyed since the daemon started, by protocol.
    package var destroyed: [String: Int] = [:]
    /// UDP sockets that go on with another backend; most of them are among the destroyed ones.
    package var revived: Int?
    /// Sockets that the kernel would not destroy.
    package var refused = 0
    /// Sockets that wait for the limit of each second.
    package var postponed = 0
    /// Backends whose sockets are being looked for.
    package var pendingBackends = 0
    package var sweeps = 0
    package var failures = 0
    package var lastFailure: String?

    /// One line for people.
    package var text: String {
        if whose == SocketService.off.rawValue { return "their sockets are left alone, as it was set" }
        guard let mechanism else { return "their sockets cannot be destroyed: \(reasons.joined(separator: "; "))" }
        var text = "\(destroyed.values.reduce(0, +)) sockets destroyed, by "
        text += mechanism == "bpf" ? "a BPF iterator" : "netlink (\(reasons.joined(separator: "; ")))"
        if let revived, revived > 0 { text += "; \(revived) of UDP go on with another backend" }
        if whose == SocketService.host.rawValue {
            text += "; pods' are left alone, as it was set"
        } else if let confinement {
            text += "; pods' are left alone: \(confinement)"
        } else if let unreachable {
            text += "; not all pods' are found: \(unreachable)"
        }
        if let lender { text += "; pods' through `\(lender)`" }
        if postponed > 0 { text += "; \(postponed) wait for --socket-destroy-rate" }
        if let lastFailure { text += "; a sweep failed: \(lastFailure)" }
        return text
    }
}

extension DaemonReport {
    /// The same with what became of sockets whose backend is gone.
    func with(_ sockets: SocketDestroyReport?) -> DaemonReport {
        var report = self
        report.sockets = sockets
        return report
    }
}
