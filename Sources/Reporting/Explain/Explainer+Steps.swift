import KubernetesObjects
import ServiceModel

/// The sentences of the steps on the way, and what of them ends it.
extension Explainer {
    func door(_ route: Route) -> String {
        guard let frontend = route.frontend else { return "" }
        let port = route.port.spec.name.isEmpty ? "" : ", port \(route.port.spec.name)"
        return "\(frontend.key) is the \(frontend.kind.text) of \(route.service.name)\(port)"
    }

    /// Where the client is, and what translates for it.
    func client(_ route: Route, _ steps: inout [Explanation.Step]) -> Reason? {
        let cgroup = facts.servedCgroup ?? "the served cgroup"
        let name: String
        switch route.question.client {
        case .outside(let address):
            let said = facts.onlyObserves == true ? "swiftlet only observes" : "its packets are translated at tc"
            steps.append(.init(text: "the client, \(address), is outside: \(said)"))
            return otherFamily(route, than: address) ?? foreignLoopback(route, "the client, \(address)")
                ?? device(route, from: address)
        case .node where facts.socketLB == "host" && facts.onlyObserves != true:
            steps.append(
                .init(
                    text: "a process of the node's own: its socket is translated; pods' are left to their packets by "
                        + "--socket-lb=host"))
            return nil
        case .node: name = "a process or pod of this node"
        case .pod(let pod): name = "the client, pod \(pod),"
        case .process(let pid, let command): name = "the client, process \(pid) (\(command)),"
        }
        if let foreign = foreignLoopback(route, name) {
            steps.append(.init(text: "\(name) is not in the node's own network namespace"))
            return foreign
        }
        if facts.onlyObserves == true {
            steps.append(.init(text: "\(name) asks by a socket that nothing of swiftlet translates: it only observes"))
            return nil
        }
        if let why = leaving(route) { return self.left(name, why, route, &steps) }
        guard facts.isClientServed == false else {
            let said =
                facts.isClientServed == true
                ? "is below \(cgroup): its socket is translated" : "asks by a socket that the hooks translate"
            steps.append(.init(text: "\(name) \(said)"))
            return nil
        }
        steps.append(.init(text: "\(name) is not below \(cgroup): its socket is not translated"))
        return Reason(
            .clientOutsideCgroup, object: name,
            text: "\(name.trimmingComma) is not below \(cgroup), so that its sockets are not translated")
    }

    /// A NodePort on a loopback address, which is another one for every network namespace but the node's.
    private func foreignLoopback(_ route: Route, _ client: String) -> Reason? {
        guard let frontend = route.frontend, frontend.hostOnly else { return nil }
        switch route.question.client {
        case .node: return nil
        case .process where facts.isClientOfNode != false: return nil
        case .pod(let name) where view.pods.contains { $0.name == name && $0.isOnAddress(of: node) }: return nil
        case .process, .pod, .outside: break
        }
        let (address, kind) = (frontend.key.address, frontend.kind.text)
        let other =
            frontend.kind == .nodePort ? "the NodePort at an address of the node" : "another address of the Service"
        return Reason(
            .hostOnly, object: "Service \(route.service.name)",
            text:
                "\(address) is the client's own loopback: the \(kind) is served there for the node's own processes only",
            remedy: "ask the ClusterIP, or \(other)")
    }

    /// Why the client's socket is left alone, and how that is changed; nil: it is not.
    private func leaving(_ route: Route) -> (why: String, remedy: String)? {
        if let cgroup = facts.leftCgroup, route.frontend?.hostOnly != true {
            let remedy = "see to it that the pattern does not name it"
            return ("is in \(cgroup), whose sockets --socket-lb-exclude-cgroups leaves to the packets", remedy)
        }
        if route.frontend?.leavesSockets == true {
            let annotation = "the annotation \(Service.socketsAnnotation) of \(route.service.name)"
            return ("is left to its packets by \(annotation)", "take the annotation away")
        }
        let isLeft =
            switch facts.socketLB {
            case "off": true
            case "host": facts.isClientOfNode == false
            case "tcp": route.frontend.map { $0.key.proto != .tcp } ?? false
            case "udp": route.frontend.map { $0.key.proto != .udp } ?? false
            default: false
            }
        guard isLeft, let choice = facts.socketLB else { return nil }
        return ("is left to its packets by --socket-lb=\(choice)", "set --socket-lb=full")
    }

    /// The client's sockets are to be left alone; its packets may be translated all the same.
    private func left(
        _ name: String, _ leaving: (why: String, remedy: String), _ route: Route, _ steps: inout [Explanation.Step]
    ) -> Reason? {
        let said = "\(name) \(leaving.why)"
        // Packets to an address of the node do not leave it: they go over lo.
        let isAskedHere = facts.isAskedHere ?? (route.frontend?.kind == .nodePort)
        let stays = facts.isClientOfNode != false && isAskedHere
        guard stays || facts.hasPacketPrograms == false else {
            steps.append(.init(text: said + ": those are translated on devices"))
            return nil
        }
        steps.append(.init(text: said))
        let text: String
        var remedy = leaving.remedy
        if stays {
            text = ", and those to the node's own address do not leave it"
        } else if facts.isAskedRouted == false, let address = route.frontend?.key.address {
            text = ", and no route leads to \(address)"
            remedy = "add one, as a default route is, or \(remedy)"
        } else if let device = facts.bareDevice {
            text = ", and these meet no programs on \(device)"
            remedy = "add \(device) to --devices, or to --pod-interfaces if it leads to pods, or \(remedy)"
        } else {
            text = ", and no device of it has programs"
            remedy = "add its device to --pod-interfaces, or \(remedy)"
        }
        return Reason(.clientLeftOut, object: name.trimmingComma, text: said + text, remedy: remedy)
    }

    private func otherFamily(_ route: Route, than address: IPAddress) -> Reason? {
        guard let frontend = route.frontend, frontend.key.address.family != address.family else { return nil }
        return Reason(
            .familyMissing, object: "Service \(route.service.name)",
            text: "\(frontend.key) is of the other IP family than the client, \(address)",
            remedy: "ask an address of the client's family, or name the client's other address")
    }

    /// A pod that does not run asks nothing.
    func idle(_ client: ExplainQuestion.Client) -> Reason? {
        guard case .pod(let name) = client, let pod = view.pods.first(where: { $0.name == name }),
            let obstacle = pod.obstacle, obstacle != .podTerminating
        else { return nil }
        return Reason(
            obstacle, object: "Pod \(name)", text: "the client, pod \(name), does not run (\(pod.stateText))",
            remedy: pod.remedy)
    }

    private func device(_ route: Route, from address: IPAddress) -> Reason? {
        if let pod = view.pods.first(where: {
            !$0.isOver && $0.addresses.contains(address) && !$0.isOnAddress(of: node)
        }),
            route.frontend?.kind == .clusterIP
        {
            return Reason(
                .notAFrontend, object: "Service \(route.service.name)",
                text: "\(address) is pod \(pod.name), which is not outside", remedy: "ask with --from \(pod.name)")
        }
        if facts.closesClusterIPs == true, let frontend = route.frontend, frontend.kind == .clusterIP {
            return Reason(
                .notAFrontend, object: "Service \(route.service.name)",
                text: "\(frontend.key) is a ClusterIP, which --external-cluster-ip=false closes to clients outside",
                remedy: "ask a NodePort or a load balancer's address, or change the flag")
        }
        guard let device = facts.deviceWithoutPrograms, let frontend = route.frontend else { return nil }
        return Reason(
            .deviceWithoutPrograms, object: "device \(device)",
            text: "\(frontend.key) is asked by \(device), which has no programs",
            remedy: "add \(device) to --devices")
    }

    func policy(_ route: Route) -> String {
        let policy = route.frontend?.policy.rawValue ?? "Cluster"
        let affinity = route.service.affinitySeconds.map { "affinity ClientIP for \($0) s" } ?? "no affinity"
        let ranges = route.frontend?.sourceRanges.map { "source ranges \($0)" } ?? "no source ranges"
        let hints = route.port.preferred.map { ", hints prefer \($0)" } ?? ""
        return "policy \(policy), \(affinity), \(ranges)\(hints)"
    }

    func endpointsTitle(_ route: Route) -> String {
        let all = route.port.endpoints.count
        if all == 0 { return "no endpoints" }
        return "\(route.used.count) of \(all) \(all == 1 ? "endpoint" : "endpoints") used"
    }

    /// What is not known of the client, and would count.
    func unseenClient(_ route: Route) -> [String] {
        guard case .pod(let name) = route.question.client, !view.pods.contains(where: { $0.name == name }) else {
            return []
        }
        let ranges =
            route.frontend?.sourceRanges == nil ? "" : ", so that source ranges were not compared with its address"
        return ["no pod \(name) is known\(ranges)"]
    }

    /// The source ranges of the frontend, for a client whose address is known.
    func sources(_ route: Route) -> Reason? {
        guard let frontend = route.frontend, let ranges = frontend.sourceRanges else { return nil }
        let source: String
        switch origin(of: route.question.client, frontend.key.address.family) {
        case .address(let address):
            if ranges.admitted(by: frontend.key.address).contains(where: { $0.contains(address) }) { return nil }
            source = "\(address)"
        case .node:
            if ranges.admitsVIP { return nil }
            source = "an address of this node's Node object"
        case .anyone:
            if ranges.admitsVIP { return nil }
            source = "this node; of other clients it depends on their address"
        case nil: return nil
        }
        return Reason(
            .sourceRange, object: "Service \(route.service.name)",
            text: "\(route.service.name): \(ranges.fieldText) does not admit \(source)",
            remedy: route.question.client == .node ? Self.otherClients : "add a range that holds it")
    }

    private static let otherClients = "ask with --outside IP, --from NAMESPACE/POD or --pid N"

    /// What a success holds for, where it depends on the client or its network.
    private func caveat(_ route: Route) -> String? {
        if route.isOutside, let frontend = route.frontend, frontend.kind == .clusterIP {
            return "that is where the client's network leads \(frontend.key.address) to this node"
        }
        guard route.question.client == .node else { return nil }
        if let ranges = route.frontend?.sourceRanges {
            return "that is for this node itself, and \(ranges.fieldText) decides about others; \(Self.otherClients)"
        }
        guard facts.socketLB == "host", facts.onlyObserves != true else { return nil }
        let said = facts.podsMeetPrograms == false ? ", and no device of theirs has programs" : ""
        return "that is for the node's own processes, and pods' sockets are left to their packets\(said); "
            + "ask with --from NAMESPACE/POD or --pid N"
    }

    private enum Source {
        case address(IPAddress)
        /// Any of the node's own: a socket that is not bound does not say which.
        case node
        /// No client is named.
        case anyone
    }

    /// Where a client's connections come from; nil if that is not known.
    private func origin(of client: ExplainQuestion.Client, _ family: IPFamily) -> Source? {
        switch client {
        case .outside(let address): .address(address)
        case .pod(let name):
            view.pods.first { $0.name == name }?.addresses.first { $0.family == family }.map(Source.address)
        case .process:
            facts.isClientOfNode == true ? .node : facts.clientSource.flatMap { IPAddress($0) }.map(Source.address)
        case .node: .anyone
        }
    }

    /// What the node says of the maps and the hooks.
    func programs(_ route: Route) -> Reason? {
        let service = "Service \(route.service.name)"
        if facts.onlyObserves == true {
            return Reason(
                .noPrograms,
                text: "swiftlet only observes here: whether this works is for whatever else serves Services to say",
                remedy: "start `swiftlet run --kube-proxy-replacement=true`")
        }
        // Packets of clients outside, and of all with --socket-lb=off, need no hooks.
        if facts.hooksAttached == false, facts.socketLB != "off", !route.question.client.isOutside {
            return Reason(.noPrograms)
        }
        if let setting = facts.notForwarding {
            return Reason(.notForwarding, text: setting, remedy: "see `swiftlet status`")
        }
        guard let maps = facts.maps, !maps.isProgrammed else { return nil }
        if let pending = maps.pending {
            let code: ReasonCode = pending.contains("full") ? .mapFull : .notProgrammed
            let parts = pending.split(separator: "; ", maxSplits: 1).map(String.init)
            return Reason(
                code, object: service, text: "\(route.service.name) is \(Reason.notProgrammed(parts.first ?? pending))",
                remedy: parts.count == 2 ? parts[1] : nil)
        }
        if facts.daemonRuns == false {
            return Reason(.noDaemon, text: "\(route.service.name) is not in the maps, and no daemon runs")
        }
        return Reason(.mapsDiffer, object: service, text: "\(route.service.name): \(maps.text)")
    }

    func success(_ route: Route, seesAll: Bool) -> Reason {
        let used = route.used
        let all = route.port.endpoints.count
        var words = seesAll ? "works: " : "works, as far as was seen: "
        if let only = used.first, used.count == 1 {
            words += "it leads to \(name(of: only, route))"
        } else {
            words += "it leads to \(used.count) of \(all) endpoints"
        }
        let fallback = used.contains { route.fate($0) == .fallback }
        if fallback { words += "; none is ready, and what terminates and serves is used (fallback)" }
        let left = route.port.endpoints.filter { !route.fate($0).isUsed }
        if !left.isEmpty {
            let texts = left.prefix(4).map { "\(name(of: $0, route)) (\(outcomeWord(route.fate($0), $0, route)))" }
            words += "; left out: " + texts.joined(separator: ", ") + (left.count > 4 ? ", …" : "")
        }
        if let caveat = caveat(route) { words += "; \(caveat)" }
        let object = "Service \(route.service.name)"
        if let kept = view.kept[route.service.name] {
            return Reason(.keptFromBefore, object: object, text: "\(words); \(Reason.kept(kept))")
        }
        return Reason(fallback ? .fallback : .works, object: object, text: words, remedy: "")
    }
}

extension PodView {
    /// With hostNetwork.
    fileprivate func isOnAddress(of node: NodeConfiguration) -> Bool {
        addresses.contains(where: node.primaryAddresses.contains)
    }
}

extension SourceRanges {
    fileprivate var fieldText: String {
        "spec.loadBalancerSourceRanges (\(ranges.map(\.description).joined(separator: ", ")))"
    }
}

extension String {
    fileprivate var trimmingComma: String { hasSuffix(",") ? String(dropLast()) : self }
}
