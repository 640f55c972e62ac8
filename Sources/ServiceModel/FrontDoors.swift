/// The addresses on which one service port is served in one family (spec 20 to 23).
struct FrontDoors {
    private struct Door {
        var address: IPAddress
        var port: Port
        var kind: DesiredFrontend.Kind
        var hostOnly = false
        var sourceRanges: SourceRanges?
    }

    private struct Place: Hashable {
        var address: IPAddress
        var port: Port
    }

    private var doors: [Door] = []
    /// Where the doors are, once there are many.
    private var places: Set<Place> = []
    /// So many are searched faster than they are hashed.
    private static let few = 16
    private let proto: IPProtocol
    private let leavesSockets: Bool
    private let internalPolicy: Service.TrafficPolicy
    private let externalPolicy: Service.TrafficPolicy

    /// Served to others than clients of the ClusterIP: what makes the external policy count (spec 14).
    ///
    /// Also true when no address of this node serves the NodePort.
    private(set) var areExternal = false

    init(
        of port: Service.PortSpec, of service: Service, clusterIP: IPAddress, node: NodeConfiguration
    ) {
        proto = port.proto
        leavesSockets = service.leavesSockets
        internalPolicy = service.internalPolicy
        externalPolicy = service.externalPolicy
        let family = clusterIP.family
        if clusterIP.mayBeFrontend, !node.heldAddresses.contains(clusterIP) {
            doors.append(
                Door(address: clusterIP, port: port.port, kind: .clusterIP, hostOnly: clusterIP.isLoopback))
        }
        let ingress = service.servedIngress.filter { $0.address.family == family }
        let ranges = ingress.isEmpty ? nil : service.sourceRanges(for: family, on: node)
        for entry in ingress where entry.address.mayBeFrontend {
            let isOurs = entry.address.isLoopback
            addExternal(
                Door(
                    address: entry.address, port: port.port, kind: .loadBalancer, hostOnly: isOurs,
                    sourceRanges: ranges))
        }
        for address in service.externalIPs
        where node.servesExternalIPs && address.family == family && address.mayBeFrontend {
            addExternal(Door(address: address, port: port.port, kind: .externalIP, hostOnly: address.isLoopback))
        }
        guard let nodePort = service.hasNodePorts ? port.nodePort : nil else { return }
        areExternal = true
        for served in node.nodePortAddresses where served.address.family == family {
            addExternal(
                Door(address: served.address, port: nodePort, kind: .nodePort, hostOnly: served.hostOnly))
        }
    }

    /// An address that serves in two ways is one door, and its first kind is shown: a load balancer's before the
    /// others, because its source ranges hold for the address (spec 24).
    private mutating func addExternal(_ door: Door) {
        areExternal = true
        if doors.count < Self.few {
            if doors.contains(where: { $0.address == door.address && $0.port == door.port }) { return }
        } else {
            if places.isEmpty { places = Set(doors.map { Place(address: $0.address, port: $0.port) }) }
            guard places.insert(Place(address: door.address, port: door.port)).inserted else { return }
        }
        doors.append(door)
    }

    /// Sorted by key.
    func frontends(for endpoints: UsableEndpoints) -> [DesiredFrontend] {
        var frontends: [DesiredFrontend] = []
        frontends.reserveCapacity(doors.count)
        for door in doors {
            let policy = door.kind == .clusterIP ? internalPolicy : externalPolicy
            guard door.kind != .clusterIP, policy == .local else {
                frontends.append(frontend(door, .fromNode, policy, endpoints))
                continue
            }
            // Short-circuit: pods and the node itself take the Cluster set (spec 18).
            var inside = frontend(door, .fromNode, .cluster, endpoints)
            inside.hasOutside = !door.hostOnly
            frontends.append(inside)
            if !door.hostOnly { frontends.append(frontend(door, .fromOutside, .local, endpoints)) }
        }
        if frontends.count > 1 { frontends.sort { $0.key < $1.key } }
        return frontends
    }

    private func frontend(
        _ door: Door, _ scope: FrontendKey.Scope, _ policy: Service.TrafficPolicy, _ endpoints: UsableEndpoints
    ) -> DesiredFrontend {
        DesiredFrontend(
            key: FrontendKey(address: door.address, port: door.port, proto: proto, scope: scope),
            kind: door.kind, action: endpoints.action(for: policy), policy: policy, hostOnly: door.hostOnly,
            sourceRanges: door.sourceRanges, leavesSockets: leavesSockets && !door.hostOnly)
    }
}

extension Service {
    fileprivate var hasNodePorts: Bool { kind == .nodePort || kind == .loadBalancer }

    /// Behind `ipMode: Proxy` the load balancer must see all the traffic, ours too (spec 22).
    var servedIngress: [Ingress] { kind == .loadBalancer ? ingress.filter { $0.mode == .vip } : [] }
}
