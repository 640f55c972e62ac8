import ConnectBenchmark
import NetworkLab
import ServiceModel

/// Services of one node, each with a ClusterIP and a NodePort in both families and all with the same endpoints; as the
/// control plane has them, and as kube-proxy would.
struct BenchmarkServices {
    let count: Int
    /// Where NodePorts are served.
    let node: @Sendable (IPVersion) -> SocketAddress
    let endpoints: @Sendable (IPVersion) -> [SocketAddress]
    /// Whether the endpoints are pods of this node.
    let areLocal: Bool

    private static let firstNodePort = 20_000
    /// So that the NodePorts stay below what clients take.
    static let most = 10_000

    /// The one in the middle stands for all: a list that is searched from the start finds it half way.
    func nodePort(_ family: IPVersion) -> SocketAddress { nodePort(count / 2, family) }

    private func nodePort(_ number: Int, _ family: IPVersion) -> SocketAddress {
        SocketAddress(address: node(family).address, port: UInt16(Self.firstNodePort + number))
    }

    private func clusterIP(_ number: Int, _ family: IPVersion) -> SocketAddress {
        family.address(96, number / 250, number % 250 + 1, port: 80)
    }

    // MARK: Two ways to write them down

    var desired: [DesiredService] {
        let backends = Dictionary(
            uniqueKeysWithValues: IPVersion.allCases.map { family in
                (family, endpoints(family).map { desired($0) }.sorted { $0.address < $1.address })
            })
        return (0..<count).map { number in
            let name = ObjectName(namespace: "bench", name: "service-\(number)")
            let ports = IPVersion.allCases.map { family in
                DesiredServicePort(
                    name: ServicePortName(service: name, port: "", proto: .tcp, family: family.family),
                    backends: backends[family] ?? [],
                    frontends: [
                        DesiredFrontend(key: key(clusterIP(number, family)), kind: .clusterIP),
                        DesiredFrontend(key: key(nodePort(number, family)), kind: .nodePort),
                    ].sorted { $0.key < $1.key })
            }
            return DesiredService(name: name, ports: ports)
        }
    }

    private func desired(_ endpoint: SocketAddress) -> DesiredBackend {
        DesiredBackend(address: endpoint.modelled, port: endpoint.modelledPort, isLocal: areLocal, inLocal: areLocal)
    }

    private func key(_ address: SocketAddress) -> FrontendKey {
        FrontendKey(address: address.modelled, port: address.modelledPort, proto: .tcp)
    }

    func rules(_ family: IPVersion) -> NftablesRules {
        let services = (0..<count).map { number in
            var rule = RuleService(
                name: "bench/service-\(number)", frontend: clusterIP(number, family), endpoints: endpoints(family))
            rule.nodePort = nodePort(number, family).port
            return rule
        }
        let range = family == .v4 ? "10.244.0.0/16" : "fd00:10:244::/48"
        return NftablesRules(services, clusterRange: range, nodeAddresses: [node(family).host])
    }
}

extension SocketAddress {
    /// The model's form of the address.
    fileprivate var modelled: IPAddress {
        func number(_ range: Range<Int>) -> UInt64 { address[range].reduce(0) { $0 << 8 | UInt64($1) } }
        return isV4 ? IPAddress(v4: UInt32(number(0..<4))) : IPAddress(v6: number(0..<8), number(8..<16))
    }

    fileprivate var modelledPort: Port {
        guard let modelled = Port(Int(port)) else { preconditionFailure("\(self) has no port") }
        return modelled
    }
}
