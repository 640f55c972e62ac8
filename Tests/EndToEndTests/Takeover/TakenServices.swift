import ConnectBenchmark
import NetworkLab
import TestKit

/// Services of every kind, as manifests and as the rules that kube-proxy writes of them.
enum TakenServices {
    /// A port of a Service of the node with three pods.
    struct Port {
        var name: String
        /// The last number of its ClusterIP, and of its other addresses.
        var number: Int
        var proto = "TCP"
        var port: UInt16 = 80
        var nodePort: UInt16?
        var isLoadBalancer = false
        var hasEndpoints = true
        var keepsClient = false
        var isSticky = false

        func clusterIP(_ family: IPVersion) -> String { family == .v4 ? "10.96.0.\(number)" : "fd00:96::\(number)" }
        func loadBalancer(_ family: IPVersion) -> String {
            family == .v4 ? "203.0.113.\(number)" : "2001:db8:10::\(number)"
        }
        func externalIP(_ family: IPVersion) -> String {
            family == .v4 ? "198.51.100.\(number)" : "2001:db8:7::\(number)"
        }
        func pods(_ family: IPVersion) -> [String] {
            hasEndpoints ? (family == .v4 ? Manifest.pods4 : Manifest.pods6) : []
        }
    }

    static let web = Port(name: "web", number: 15, nodePort: 30_080, isLoadBalancer: true)
    static let all = [
        web, Port(name: "dns", number: 16, proto: "UDP", port: 53, nodePort: 30_053, isLoadBalancer: true),
        Port(name: "kept", number: 17, nodePort: 30_081, isLoadBalancer: true, keepsClient: true),
        Port(name: "sticky", number: 18, isSticky: true),
        Port(name: "nobody", number: 19, nodePort: 30_082, hasEndpoints: false),
    ]

    /// What load balancers of Services that keep the client admit: those outside, who are seen as they are.
    private static let ranges = ["192.0.2.0/24", "2001:db8::/64"]

    // MARK: As manifests

    static var manifests: [String: String] {
        Dictionary(uniqueKeysWithValues: all.map { ("\($0.name).yaml", manifest($0)) })
    }

    static func manifest(_ port: Port) -> String {
        var spec = "type: \(port.isLoadBalancer ? "LoadBalancer" : port.nodePort == nil ? "ClusterIP" : "NodePort")"
        if port.isLoadBalancer {
            spec += "\nexternalIPs: [\"\(port.externalIP(.v4))\", \"\(port.externalIP(.v6))\"]"
        }
        if port.keepsClient { spec += "\nexternalTrafficPolicy: Local\nloadBalancerSourceRanges: \(ranges)" }
        if port.isSticky { spec += "\nsessionAffinity: ClientIP" }
        let node = port.nodePort.map { ", nodePort: \($0)" } ?? ""
        let service = Manifest.service(
            port.name, IPVersion.allCases.map(port.clusterIP),
            ports: ["{port: \(port.port), protocol: \(port.proto), targetPort: 8080\(node)}"], spec: spec,
            ingress: port.isLoadBalancer ? IPVersion.allCases.map(port.loadBalancer) : [])
        let slices = IPVersion.allCases.filter { _ in port.hasEndpoints }.map {
            Manifest.slice(
                port.name, port.pods($0), ports: ["{port: 8080, protocol: \(port.proto)}"],
                endpoint: "nodeName: \(Manifest.nodeName)")
        }
        return ([service] + slices).joined(separator: "\n---\n")
    }

    // MARK: As rules

    /// Nobody's, so that every client of a ClusterIP is masqueraded: pods of one bridge would answer past the rules.
    private static func clusterRange(_ family: IPVersion) -> String {
        family == .v4 ? "10.255.0.0/16" : "fd00:255::/48"
    }

    static func podRange(_ family: IPVersion) -> String { family == .v4 ? "10.244.0.0/16" : "fd00:10:244::/64" }

    static func iptables(_ family: IPVersion) throws -> String {
        let services = try all.map { port in
            let pods = try port.pods(family).map { try family.address($0, 8080) }
            var service = KubeProxyIptables.Service(
                "default/\(port.name)", try family.address(port.clusterIP(family), port.port), endpoints: pods)
            service.proto = port.proto.lowercased()
            service.nodePort = port.nodePort
            if port.isLoadBalancer {
                (service.externalIPs, service.loadBalancerIPs) = (
                    [port.externalIP(family)], [port.loadBalancer(family)]
                )
            }
            if port.keepsClient {
                service.localEndpoints = pods
                service.sourceRanges = ranges.filter { $0.contains(":") == (family == .v6) }
            }
            service.affinitySeconds = port.isSticky ? 10_800 : nil
            return service
        }
        return KubeProxyIptables(services, clusterRange: podRange(family), masqueradesAll: true).text
    }

    static func nftables(_ family: IPVersion) throws -> NftablesRules {
        let services = try all.map { port in
            let pods = try port.pods(family).map { try family.address($0, 8080) }
            var service = RuleService(
                name: "default/\(port.name)", frontend: try family.address(port.clusterIP(family), port.port),
                endpoints: pods)
            service.transport = port.proto.lowercased()
            service.nodePort = port.nodePort
            if port.isLoadBalancer {
                (service.externalIPs, service.loadBalancerIPs) = (
                    [port.externalIP(family)], [port.loadBalancer(family)]
                )
            }
            if port.keepsClient {
                service.localEndpoints = pods
                service.sourceRanges = ranges.filter { $0.contains(":") == (family == .v6) }
            }
            service.affinitySeconds = port.isSticky ? 10_800 : nil
            return service
        }
        let node = family == .v4 ? Lab.nodeAddress4 : Lab.nodeAddress6
        return NftablesRules(services, clusterRange: clusterRange(family), nodeAddresses: [node])
    }
}
