import KubernetesObjects
package import ServiceModel

/// Ways that the node itself closes, by its routes, rules and settings.
extension Explainer {
    /// A pod of this node to which nothing but the default route leads: its own route or device is missing.
    func stray(_ endpoint: ServiceTrace.Endpoint, _ socket: String, _ route: Route) -> Reason? {
        guard let way = facts.leadsOut?[socket], endpoint.endpoint.nodeName == node.name, !node.name.isEmpty,
            facts.connects?[socket] != .works
        else { return nil }
        let address = endpoint.endpoint.address
        let pod = name(of: endpoint, route)
        return Reason(
            .noRoute, object: "Pod \(pod)",
            text: "\(pod) is on this node, and the route to \(address) leads out by \(way)",
            remedy: "its own route or device is missing: see `ip route get \(address)`, and the CNI's log")
    }

    /// What closes the node's side of the way of a client in a pod.
    func closed(
        by obstacle: ExplainFacts.Obstacle, _ socket: String, _ endpoint: ServiceTrace.Endpoint, _ route: Route
    ) -> Reason? {
        // A connect that was made by the client's own way knows better.
        if facts.connects?[socket] == .works, facts.connectPlace == "from there" { return nil }
        let (client, device) = (obstacle.client, obstacle.device)
        let place = socket + podText(of: endpoint, route)
        switch obstacle.fault {
        case .deviceDown:
            return Reason(
                .deviceDown, object: "device \(device)",
                text: "device \(device), by which \(client) is reached, is down",
                remedy: "`ip link set \(device) up`, and see the CNI's log")
        case .notForwarding:
            let setting = "net.ipv4.conf.\(device).forwarding"
            return Reason(
                .notForwarding, text: "\(setting) is 0, and nothing that comes by \(device) is forwarded",
                remedy: "`sysctl -w \(setting)=1`")
        case .reversePath:
            let way = obstacle.leadsBy.map { "the route to it leads by \($0)" } ?? "no route leads to it"
            return Reason(
                .filtered, text: "rp_filter of \(device) drops packets of the client, \(client): \(way)",
                remedy: "correct the route, or set net.ipv4.conf.\(device).rp_filter=0 and that of all")
        case .noWayOn:
            return Reason(
                .noRoute, text: "no route leads to \(place) for what comes from \(client) by \(device)",
                remedy: "see `ip rule`, and `ip route get \(endpoint.endpoint.address) from \(client) iif \(device)`")
        case .noWayBack:
            let way = obstacle.leadsBy.map {
                "the route back to the client, \(client), leads by \($0), and not to the pod's own device"
            }
            return Reason(
                .noRoute, text: way ?? "no route leads back to the client, \(client)",
                remedy: "its own route or device is missing: see `ip route get \(client)`, and the CNI's log")
        case .noWayFromEndpoint:
            let pod = name(of: endpoint, route)
            return Reason(
                .noRoute, object: "Pod \(pod)", text: "\(pod) has no route back to \(client)",
                remedy: "its default route is missing: see `ip route` in its network namespace, and the CNI's log")
        case .noWayForAnswers:
            return Reason(
                .noRoute,
                text: "no route leads back to the client, \(client), for what comes from \(place) by \(device)",
                remedy: "see `ip rule`, and `ip route get \(client) from \(endpoint.endpoint.address) iif \(device)`")
        }
    }

    func isListened(at socket: String) -> Bool { facts.listeners?[socket].map { !$0.isEmpty } ?? false }

    /// A rule that is sure to send what was not answered elsewhere, as a mesh does.
    func diverted(_ outcome: ExplainFacts.Connect, _ socket: String, _ place: String) -> Reason? {
        guard let rule = facts.diversions?[socket], [.refused, .timedOut, .unreachable].contains(outcome) else {
            return nil
        }
        let end = outcome == .refused ? "is refused" : "is not answered"
        return Reason(
            .filtered, text: "\(rule.rule)\(rule.place) sends packets to \(place) elsewhere, and what it sends \(end)",
            remedy: "see to what it sends them to, as a proxy is, or to the rule: `\(rule.command)`")
    }

    /// A process listens on the port in the pod, and the connect does not reach it.
    func deaf(_ outcome: ExplainFacts.Connect, _ pod: String, _ address: IPAddress, _ port: Port) -> Reason? {
        guard let all = facts.listeners?[FrontendKey.socket(address, port)], !all.isEmpty else { return nil }
        let heard = all.filter { listener in
            guard let own = IPAddress(listener.address) else { return false }
            return own == address || own.isUnspecified && (own.family == .v6 || address.family == .v4)
        }
        let waiting = heard.map(\.waiting).max() ?? 0
        if outcome == .timedOut {
            guard waiting > 0 else { return nil }
            let count = waiting == 1 ? "1 connection waits" : "\(waiting) connections wait"
            return Reason(
                .noAnswer, object: "Pod \(pod)",
                text:
                    "\(count) in \(pod) until the program that listens on \(port) accepts them: it hangs or is too slow",
                remedy: "look at that program, and at its backlog")
        }
        let list = all.compactMap { IPAddress($0.address) }.map { FrontendKey.socket($0, port) }.joined(separator: ", ")
        guard heard.isEmpty else {
            let isV6 = address.family == .v4 && heard.allSatisfy { $0.address == "::" }
            return Reason(
                .filtered, object: "Pod \(pod)",
                text: "\(pod) listens on \(list), and refuses: "
                    + (isV6 ? "by IPv6 alone, or by a rule in it" : "a rule in it rejects"),
                remedy: "see the rules in its network namespace (`nft list ruleset`)")
        }
        let family = address.family == .v4 ? "IPv4" : "IPv6"
        return Reason(
            .nothingListens, object: "Pod \(pod)", text: "\(pod) listens on \(list) only, not on \(address)",
            remedy: "have the program listen on all addresses of \(family)")
    }

    /// The addresses of the pod that asks, where it is one of this node with its own.
    package func clientAddresses(of question: ExplainQuestion) -> [IPAddress] {
        guard case .pod(let name) = question.client,
            let pod = view.pods.first(where: { $0.name == name }), pod.nodeName == node.name
        else { return [] }
        return pod.addresses
    }
}
