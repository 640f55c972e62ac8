import BPFLoader
import NodeNetwork
import Reporting
import ServiceModel
import SystemPackage

/// The other end of the way: endpoints in pods of this node.
extension NodeLook {
    /// The rules of netfilter in the pods of the endpoints, sixteen at most, and whether a route leads back from there.
    mutating func noteEndpoints(
        of destination: Explainer.Destination, for client: ExplainQuestion.Client, _ facts: inout ExplainFacts
    ) {
        guard let network else { return }
        let own = Set(network.addresses.map(\.address))
        for endpoint in destination.endpoints.prefix(16)
        where !own.contains(endpoint.address) && endpoint.address != podSide?.address {
            guard let pid = ProcessEntry.withAddress(endpoint.address), ProcessEntry.network(of: pid) != ownNetwork
            else {
                continue
            }
            let sources = sources(of: client, at: endpoint)
            let look = { () -> (ways: [Bool], filter: FilterLook) in
                (sources.map { (try? Route.find(to: $0, from: endpoint.address)) != nil }, FilterLook())
            }
            guard let seen = try? NetworkNamespace.visit(FilePath("/proc/\(pid)/ns/net"), look) else { continue }
            let socket = FrontendKey.socket(endpoint.address, endpoint.port)
            if seen.ways.first == false, let source = sources.first {
                if seen.ways.contains(true) {
                    let what =
                        "whether \(socket), which has no route back to \(source), sees the node's address instead"
                    facts.unseen = (facts.unseen ?? []) + [what]
                } else if facts.obstacles?[socket] == nil {
                    facts.obstacles = facts.obstacles ?? [:]
                    facts.obstacles?[socket] = .init(fault: .noWayFromEndpoint, device: "", client: "\(source)")
                }
            }
            // Where there is no nft, the node's own rules are said to be unknown, which is enough.
            if seen.filter.rules == nil { continue }
            var one = destination
            one.endpoints = [endpoint]
            note(seen.filter, of: pid, isOfEndpoint: true, one, &facts) {
                var way = PacketWay(to: $0, at: [.prerouting, .input], back: [.output, .postrouting])
                way.source = sources.count == 1 ? sources.first : nil
                return way
            }
        }
    }

    /// What the endpoint may see as its client: of one outside that one, or the node.
    private func sources(of client: ExplainQuestion.Client, at endpoint: DesiredBackend) -> [IPAddress] {
        if let podSide { return [podSide.address] }
        let own = RouteTrial.source(to: endpoint.address, endpoint.port)
        if case .outside(let address) = client { return [address, own].compactMap(\.self) }
        if case .pod = client { return [] }
        return [own].compactMap(\.self)
    }
}
