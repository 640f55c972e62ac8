import NetworkLab

/// The table that kube-proxy keeps in its nftables mode, for ClusterIP services.
///
/// A packet costs one look-up in a verdict map, whatever the number of services; then a chain for the service, which
/// draws an endpoint, and a chain for the endpoint, which rewrites.
enum NftablesRules {
    static func text(_ services: [RuleService], clusterRange: String) -> String {
        var lines = ["table ip kube-proxy {"]
        lines += addressSet(services)
        lines += verdictMap(services)
        lines += emptyMaps
        for service in services { lines += chains(of: service, clusterRange) }
        lines += commonChains
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func chain(of service: RuleService) -> String { "service-\(service.tag)-\(service.name)/tcp/http" }

    private static func chain(of endpoint: SocketAddress, _ service: RuleService) -> String {
        "endpoint-\(service.tag(of: endpoint))-\(service.name)/tcp/http__\(endpoint.host)/\(endpoint.port)"
    }

    private static func addressSet(_ services: [RuleService]) -> [String] {
        ["\tset cluster-ips {", "\t\ttype ipv4_addr", "\t\telements = {"]
            + services.map { "\t\t\t\($0.frontend.host)," } + ["\t\t}", "\t}"]
    }

    private static func verdictMap(_ services: [RuleService]) -> [String] {
        ["\tmap service-ips {", "\t\ttype ipv4_addr . inet_proto . inet_service : verdict", "\t\telements = {"]
            + services.map { "\t\t\t\($0.frontend.host) . tcp . \($0.frontend.port) : goto \(chain(of: $0))," }
            + ["\t\t}", "\t}"]
    }

    /// Node ports and services without endpoints: none here, but their look-ups cost every packet.
    private static let emptyMaps = [
        "\tset nodeport-ips {", "\t\ttype ipv4_addr", "\t}",
        "\tmap service-nodeports {", "\t\ttype inet_proto . inet_service : verdict", "\t}",
        "\tmap no-endpoint-services {", "\t\ttype ipv4_addr . inet_proto . inet_service : verdict", "\t}",
        "\tmap firewall-ips {", "\t\ttype ipv4_addr . inet_proto . inet_service : verdict", "\t}",
    ]

    private static func chains(of service: RuleService, _ clusterRange: String) -> [String] {
        let match = "ip daddr \(service.frontend.host) tcp dport \(service.frontend.port)"
        let endpoints = service.endpoints.enumerated()
        let choices = endpoints.map { "\($0) : goto \(chain(of: $1, service))" }.joined(separator: ", ")
        var lines = service.endpoints.flatMap { endpoint in
            [
                "\tchain \(chain(of: endpoint, service)) {",
                "\t\tip saddr \(endpoint.host) jump mark-for-masquerade",
                "\t\tmeta l4proto tcp dnat to \(endpoint)",
                "\t}",
            ]
        }
        lines += [
            "\tchain \(chain(of: service)) {",
            "\t\t\(match) ip saddr != \(clusterRange) jump mark-for-masquerade",
            "\t\tnumgen random mod \(service.endpoints.count) vmap { \(choices) }",
            "\t}",
        ]
        return lines
    }

    private static let commonChains = """
        	chain mark-for-masquerade {
        		meta mark set meta mark or 0x4000
        	}
        	chain masquerading {
        		meta mark and 0x4000 == 0 return
        		meta mark set meta mark xor 0x4000
        		masquerade fully-random
        	}
        	chain services {
        		ip daddr . meta l4proto . th dport vmap @service-ips
        		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
        	}
        	chain cluster-ips-check {
        		ip daddr @cluster-ips reject with icmp type port-unreachable
        	}
        	chain service-endpoints-check {
        		ip daddr . meta l4proto . th dport vmap @no-endpoint-services
        	}
        	chain firewall-check {
        		ip daddr . meta l4proto . th dport vmap @firewall-ips
        	}
        	chain nat-prerouting {
        		type nat hook prerouting priority dstnat; policy accept;
        		jump services
        	}
        	chain nat-output {
        		type nat hook output priority -100; policy accept;
        		jump services
        	}
        	chain nat-postrouting {
        		type nat hook postrouting priority srcnat; policy accept;
        		jump masquerading
        	}
        	chain filter-prerouting {
        		type filter hook prerouting priority -110; policy accept;
        		ct state new jump firewall-check
        	}
        	chain filter-forward {
        		type filter hook forward priority -110; policy accept;
        		ct state new jump service-endpoints-check
        	}
        	chain filter-output {
        		type filter hook output priority -110; policy accept;
        		ct state new jump service-endpoints-check
        		ct state new jump firewall-check
        	}
        	chain filter-output-post-dnat {
        		type filter hook output priority -90; policy accept;
        		ct state new jump cluster-ips-check
        	}
        """.split(separator: "\n").map(String.init)
}
