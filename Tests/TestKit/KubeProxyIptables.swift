package import NetworkLab

/// What kube-proxy keeps in its iptables mode for a service port of one IP family, and the tables that it makes of them.
package struct KubeProxyIptables {
    /// A port of a Service.
    package struct Service {
        /// `default/web:http`.
        package var name: String
        package var clusterIP: SocketAddress
        /// `tcp`, `udp`, `sctp`.
        package var proto = "tcp"
        package var nodePort: UInt16?
        package var externalIPs: [String] = []
        package var loadBalancerIPs: [String] = []
        /// Who may use the load balancer's addresses; everybody if there are none.
        package var sourceRanges: [String] = []
        package var endpoints: [SocketAddress]
        /// With the external policy Local: those of this node.
        package var localEndpoints: [SocketAddress]?
        package var affinitySeconds: Int?

        package init(_ name: String, _ clusterIP: SocketAddress, endpoints: [SocketAddress]) {
            self.name = name
            self.clusterIP = clusterIP
            self.endpoints = endpoints
        }
    }

    private let services: [Service]
    private let clusterRange: String
    /// Everything that goes to a ClusterIP is masqueraded (spec 36e).
    private let masqueradesAll: Bool
    private let bits: Int

    /// - Parameter services: all of one family, which that of the range is too.
    package init(_ services: [Service], clusterRange: String, masqueradesAll: Bool = false) {
        self.services = services
        self.clusterRange = clusterRange
        self.masqueradesAll = masqueradesAll
        bits = clusterRange.contains(":") ? 128 : 32
    }

    /// For `iptables-restore --noflush`.
    package var text: String {
        table("nat", natChains, natRules) + table("filter", filterChains, filterRules)
            + table("mangle", ["KUBE-PROXY-CANARY"], [])
    }

    private func table(_ name: String, _ chains: [String], _ rules: [String]) -> String {
        (["*\(name)"] + chains.map { ":\($0) - [0:0]" } + rules + ["COMMIT\n"]).joined(separator: "\n")
    }

    private func comment(_ text: String) -> String { "-m comment --comment \"\(text)\"" }

    /// Sixteen letters that name a chain, the same for the same text.
    private func tag(_ text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var generator = SeededGenerator(seed: hash)
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        return String((0..<16).map { _ in letters[Int(generator.next() % 32)] })
    }

    private func chain(_ kind: String, _ service: Service) -> String {
        "KUBE-\(kind)-\(tag(service.name + service.proto))"
    }

    private func chain(_ endpoint: SocketAddress, _ service: Service) -> String {
        "KUBE-SEP-\(tag(service.name + service.proto + "\(endpoint)"))"
    }

    private func isExternal(_ service: Service) -> Bool {
        service.nodePort != nil || !service.externalIPs.isEmpty || !service.loadBalancerIPs.isEmpty
    }

    /// `-d 10.96.0.1/32 -p tcp -m comment … -m tcp --dport 80`
    private func match(_ address: String, _ service: Service, _ words: String) -> String {
        "-d \(address)/\(bits) -p \(service.proto) \(comment("\(service.name) \(words)")) "
            + "-m \(service.proto) --dport \(service.clusterIP.port)"
    }

    // MARK: nat

    private var natChains: [String] {
        var chains = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY"]
        for service in services where !service.endpoints.isEmpty {
            chains.append(chain("SVC", service))
            if isExternal(service) { chains.append(chain("EXT", service)) }
            if service.localEndpoints != nil { chains.append(chain("SVL", service)) }
            chains += service.endpoints.map { chain($0, service) }
        }
        return chains
    }

    private var natRules: [String] {
        var rules = [
            "-I PREROUTING 1 \(comment("kubernetes service portals")) -j KUBE-SERVICES",
            "-I OUTPUT 1 \(comment("kubernetes service portals")) -j KUBE-SERVICES",
            "-I POSTROUTING 1 \(comment("kubernetes postrouting rules")) -j KUBE-POSTROUTING",
            "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
            "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
            "-A KUBE-POSTROUTING \(comment("kubernetes service traffic requiring SNAT")) -j MASQUERADE --random-fully",
        ]
        for service in services where !service.endpoints.isEmpty { rules += natRules(service) }
        let last = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
        return rules + ["-A KUBE-SERVICES \(comment(last)) -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"]
    }

    private func natRules(_ service: Service) -> [String] {
        let (inside, outside) = (chain("SVC", service), chain("EXT", service))
        let own = match(service.clusterIP.host, service, "cluster IP")
        let source = masqueradesAll ? "" : "! -s \(clusterRange) "
        var rules = ["-A KUBE-SERVICES \(own) -j \(inside)", "-A \(inside) \(source)\(own) -j KUBE-MARK-MASQ"]
        rules += service.externalIPs.map {
            "-A KUBE-SERVICES \(match($0, service, "external IP")) -j \(outside)"
        }
        rules += service.loadBalancerIPs.map {
            "-A KUBE-SERVICES \(match($0, service, "loadbalancer IP")) -j \(outside)"
        }
        if let port = service.nodePort {
            rules.append(
                "-A KUBE-NODEPORTS -p \(service.proto) \(comment(service.name)) -m \(service.proto) --dport \(port) "
                    + "-j \(outside)")
        }
        if isExternal(service) { rules += external(service, inside, outside) }
        rules += service.endpoints.flatMap { endpointRules($0, service) }
        return rules + choice(among: service.endpoints, service, in: inside)
    }

    /// Pods and the node itself reach all endpoints of a Local service (spec 18).
    private func external(_ service: Service, _ inside: String, _ outside: String) -> [String] {
        guard let local = service.localEndpoints else {
            let words = "masquerade traffic for \(service.name) external destinations"
            return ["-A \(outside) \(comment(words)) -j KUBE-MARK-MASQ", "-A \(outside) -j \(inside)"]
        }
        let words = (
            pod: comment("pod traffic for \(service.name) external destinations"),
            mark: comment("masquerade LOCAL traffic for \(service.name) external destinations"),
            node: comment("route LOCAL traffic for \(service.name) external destinations")
        )
        return [
            "-A \(outside) -s \(clusterRange) \(words.pod) -j \(inside)",
            "-A \(outside) \(words.mark) -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ",
            "-A \(outside) \(words.node) -m addrtype --src-type LOCAL -j \(inside)",
            "-A \(outside) -j \(chain("SVL", service))",
        ] + choice(among: local, service, in: chain("SVL", service))
    }

    private func endpointRules(_ endpoint: SocketAddress, _ service: Service) -> [String] {
        let name = chain(endpoint, service)
        let remember = service.affinitySeconds.map { _ in " -m recent --name \(name) --set --rsource" } ?? ""
        return [
            "-A \(name) -s \(endpoint.host)/\(bits) \(comment(service.name)) -j KUBE-MARK-MASQ",
            "-A \(name) -p \(service.proto) \(comment(service.name))\(remember) -m \(service.proto) "
                + "-j DNAT --to-destination \(endpoint)",
        ]
    }

    /// One of those that are left takes the connection; the last takes it for certain.
    private func choice(among endpoints: [SocketAddress], _ service: Service, in name: String) -> [String] {
        var rules: [String] = []
        if let seconds = service.affinitySeconds {
            rules += endpoints.map {
                let own = chain($0, service)
                return "-A \(name) \(comment("\(service.name) -> \($0)")) -m recent --name \(own) --rcheck "
                    + "--seconds \(seconds) --reap --rsource -j \(own)"
            }
        }
        for (index, endpoint) in endpoints.enumerated() {
            let left = endpoints.count - index
            let draw =
                left > 1
                ? " -m statistic --mode random --probability \(["0.5000000000", "0.3333333333"][min(left, 3) - 2])" : ""
            rules.append(
                "-A \(name) \(comment("\(service.name) -> \(endpoint)"))\(draw) -j \(chain(endpoint, service))")
        }
        return rules
    }

    // MARK: filter

    private var guarded: [Service] { services.filter { !$0.sourceRanges.isEmpty && !$0.endpoints.isEmpty } }

    private var filterChains: [String] {
        [
            "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-FORWARD", "KUBE-PROXY-FIREWALL",
            "KUBE-PROXY-CANARY",
        ] + guarded.map { chain("FW", $0) }
    }

    private var filterRules: [String] {
        let new = "-m conntrack --ctstate NEW"
        let (guards, portals) = (comment("kubernetes load balancer firewall"), comment("kubernetes service portals"))
        let outside = comment("kubernetes externally-visible service portals")
        var rules = [
            "-I INPUT 1 \(new) \(outside) -j KUBE-EXTERNAL-SERVICES",
            "-I INPUT 1 \(comment("kubernetes health check service ports")) -j KUBE-NODEPORTS",
            "-I INPUT 1 \(new) \(guards) -j KUBE-PROXY-FIREWALL",
            "-I FORWARD 1 \(new) \(outside) -j KUBE-EXTERNAL-SERVICES",
            "-I FORWARD 1 \(new) \(portals) -j KUBE-SERVICES",
            "-I FORWARD 1 \(comment("kubernetes forwarding rules")) -j KUBE-FORWARD",
            "-I FORWARD 1 \(new) \(guards) -j KUBE-PROXY-FIREWALL",
            "-I OUTPUT 1 \(new) \(portals) -j KUBE-SERVICES",
            "-I OUTPUT 1 \(new) \(guards) -j KUBE-PROXY-FIREWALL",
            "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
            "-A KUBE-FORWARD \(comment("kubernetes forwarding rules")) -m mark --mark 0x4000/0x4000 -j ACCEPT",
            "-A KUBE-FORWARD \(comment("kubernetes forwarding conntrack rule")) "
                + "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ]
        for service in guarded { rules += firewall(of: service) }
        for service in services where service.endpoints.isEmpty { rules += refusals(of: service) }
        return rules
    }

    private func firewall(of service: Service) -> [String] {
        let name = chain("FW", service)
        return service.loadBalancerIPs.map {
            "-A KUBE-PROXY-FIREWALL \(match($0, service, "traffic not accepted by \(name)")) -j \(name)"
        } + service.sourceRanges.map { "-A \(name) -s \($0) \(comment("\(service.name) loadbalancer IP")) -j RETURN" }
            + ["-A \(name) \(comment("other traffic to \(service.name) is dropped")) -j DROP"]
    }

    private func refusals(of service: Service) -> [String] {
        var rules = ["-A KUBE-SERVICES \(match(service.clusterIP.host, service, "has no endpoints")) -j REJECT"]
        rules += (service.externalIPs + service.loadBalancerIPs).map {
            "-A KUBE-EXTERNAL-SERVICES \(match($0, service, "has no endpoints")) -j REJECT"
        }
        if let port = service.nodePort {
            rules.append(
                "-A KUBE-EXTERNAL-SERVICES -p \(service.proto) \(comment("\(service.name) has no endpoints")) "
                    + "-m addrtype --dst-type LOCAL -m \(service.proto) --dport \(port) -j REJECT")
        }
        return rules
    }
}

/// Chains and rules of a kubelet, of a network plugin and of a person, before and behind which kube-proxy's stand.
package enum ForeignIptables {
    /// For `iptables-restore --noflush`, before kube-proxy's.
    package static func before(clusterRange: String) -> String {
        """
        *nat
        :CNI-POSTRTG - [0:0]
        :KUBE-HP-EXAMPLE - [0:0]
        :MY-KUBE-SVC- - [0:0]
        -A POSTROUTING -m comment --comment "plugin's \\"masq\\" -j KUBE-SERVICES" -j CNI-POSTRTG
        -A CNI-POSTRTG -s \(clusterRange) -d \(clusterRange) -j RETURN
        -A MY-KUBE-SVC- -p tcp -m tcp --dport 4242 -j RETURN
        COMMIT
        *filter
        :CNI-FORWARD - [0:0]
        :KUBE-FIREWALL - [0:0]
        -A FORWARD -m comment --comment "plugin forward" -j CNI-FORWARD
        -A CNI-FORWARD -s \(clusterRange) -j ACCEPT
        -A INPUT -j KUBE-FIREWALL
        -A OUTPUT -j KUBE-FIREWALL
        -A KUBE-FIREWALL -m comment --comment "the kubelet's" -m mark --mark 0x8000/0x8000 -j DROP
        COMMIT
        *mangle
        :KUBE-KUBELET-CANARY - [0:0]
        :KUBE-IPTABLES-HINT - [0:0]
        -A PREROUTING -i nothere -j ACCEPT
        COMMIT

        """
    }

    /// On top of kube-proxy's.
    package static let after = """
        *nat
        -I PREROUTING 1 -p tcp -m tcp --dport 4243 -j RETURN
        COMMIT
        *filter
        -I FORWARD 2 -p tcp -m tcp --dport 4244 -j ACCEPT
        -A INPUT -p udp -m udp --dport 4245 -j DROP
        COMMIT

        """
}
