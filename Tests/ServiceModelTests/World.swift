import ServiceModel
import TestKit
import Testing

extension IPAddress {
    /// Of either family, with many zeros.
    static func random(using random: inout SeededGenerator) -> IPAddress {
        if random.chance(2) { return IPAddress(v4: UInt32.random(in: 0 ... .max, using: &random)) }
        var halves: [UInt64] = [0, 0]
        for index in 0..<8 where random.chance(2) {
            halves[index / 4] |= UInt64(UInt16.random(in: 0 ... .max, using: &random)) << (16 * (index % 4))
        }
        let isMapped = halves[0] == 0 && halves[1] >> 32 == 0xffff
        return isMapped ? IPAddress(v6: 1, halves[1]) : IPAddress(v6: halves[0], halves[1])
    }
}

/// Random objects out of a small world, where names, addresses and ports meet all the time.
enum World {
    static let serviceCount = 6

    static func objects(using random: inout SeededGenerator) -> [ClusterEvent] {
        var services: [ObjectName: Service] = [:]
        for _ in 0..<serviceCount {
            let service = service(using: &random)
            services[service.name] = service
        }
        let slices = (0..<12).map { slice($0, of: serviceName(using: &random), using: &random) }
        return (services.values.sorted { $0.name < $1.name }.map(ClusterEvent.service) + slices.map(ClusterEvent.slice))
            .shuffled(using: &random)
    }

    /// Objects that are not among those of `objects(using:)`, but claim the same things.
    static func strangers(using random: inout SeededGenerator) -> [ClusterEvent] {
        let services = ["0", "zzz"].map { name in
            var service = service(using: &random)
            service.name.name = name
            return ClusterEvent.service(service)
        }
        return services + [.slice(slice(99, of: serviceName(using: &random), using: &random))]
    }

    static func event(using random: inout SeededGenerator) -> ClusterEvent {
        let number = Int.random(in: 0..<12, using: &random)
        return switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: .service(service(using: &random))
        case 3: .serviceGone(ObjectName(namespace: "default", name: serviceName(using: &random)))
        case 4..<9: .slice(slice(number, of: serviceName(using: &random), using: &random))
        default: .sliceGone(sliceName(number))
        }
    }

    static func compile(_ events: [ClusterEvent]) -> Compiler {
        var state = ClusterState()
        var compiler = Compiler()
        for event in events { _ = compiler.update(dirty: state.apply(event), state: state, node: .here) }
        return compiler
    }

    private static func serviceName(using random: inout SeededGenerator) -> String {
        "s\(Int.random(in: 0..<serviceCount, using: &random))"
    }

    private static func sliceName(_ number: Int) -> ObjectName {
        ObjectName(namespace: "default", name: "slice-\(number)")
    }

    static func service(using random: inout SeededGenerator) -> Service {
        var service = Service(name: ObjectName(namespace: "default", name: serviceName(using: &random)))
        let kinds: [Service.Kind] = [.clusterIP, .nodePort, .nodePort, .loadBalancer, .externalName]
        service.kind = kinds.randomElement(using: &random) ?? .clusterIP
        service.isHeadless = random.chance(10)
        service.selector = random.chance(2) ? [:] : nil
        let host = UInt32.random(in: 1...8, using: &random)
        if !random.chance(8) { service.clusterIPs.append(IPAddress(v4: 0x0a60_0000 + host)) }
        if random.chance(2) { service.clusterIPs.append(IPAddress(v6: 0xfd00_0096 << 32, UInt64(host))) }
        for (name, proto) in [("a", IPProtocol.tcp), ("b", .udp), ("c", .tcp)] where !random.chance(3) {
            let nodePort = random.chance(2) ? nil : Port(30000 + Int.random(in: 0..<4, using: &random))
            let port: Port = random.chance(2) ? 80 : 53
            service.ports.append(.init(name: name, proto: proto, port: port, nodePort: nodePort))
        }
        if random.chance(3) {
            service.externalIPs = ["198.51.100.1", "10.96.0.1", "2001:db8::1"].shuffled(using: &random)
        }
        if random.chance(2) {
            service.ingress = [.init(address: "203.0.113.1", mode: random.chance(3) ? .proxy : .vip)]
        }
        service.internalPolicy = random.chance(3) ? .local : .cluster
        service.externalPolicy = random.chance(2) ? .local : .cluster
        service.affinitySeconds = random.chance(3) ? 60 : nil
        return service
    }

    static func slice(_ number: Int, of service: String, using random: inout SeededGenerator) -> EndpointSlice {
        let type: EndpointSlice.AddressType = random.chance(2) ? .ipv4 : .ipv6
        var slice = EndpointSlice(
            name: sliceName(number), serviceName: random.chance(12) ? "" : service, addressType: type)
        for (name, proto) in [("a", IPProtocol.tcp), ("b", .udp), ("c", .tcp)] where !random.chance(3) {
            slice.ports.append(.init(name: name, proto: proto, port: random.chance(2) ? 8080 : 8081))
        }
        let everyOneHasHints = random.chance(2)
        for _ in 0..<Int.random(in: 0..<4, using: &random) {
            let host = UInt32.random(in: 1...5, using: &random)
            let hasHint = everyOneHasHints || random.chance(2)
            slice.endpoints.append(
                Endpoint(
                    address: type == .ipv4
                        ? IPAddress(v4: 0x0a00_0000 + host) : IPAddress(v6: 0xfd00 << 48, UInt64(host)),
                    ready: !random.chance(3), serving: !random.chance(3), terminating: random.chance(3),
                    nodeName: random.chance(2) ? "here" : "there", zone: random.chance(2) ? "a" : "b",
                    zoneHints: hasHint ? [random.chance(2) ? "a" : "b"] : [],
                    nodeHints: random.chance(4) ? ["here"] : []))
        }
        return slice
    }

    /// What holds of every compiled state.
    static func checkInvariants(of state: DesiredState) {
        var owners: Set<FrontendKey> = []
        for service in state.services.values {
            #expect(service.leftAlone == nil || service.ports.isEmpty)
            #expect(Set(service.ports.map(\.name)).count == service.ports.count)
            for port in service.ports {
                let inCluster = port.backends.contains(where: \.inCluster)
                let inLocal = port.backends.contains(where: \.inLocal)
                #expect((port.emptyReason == nil) == (inCluster || inLocal))
                #expect(
                    port.backends.map { "\($0.address) \($0.port)" }.count
                        == Set(port.backends.map { [AnyHashable($0.address), AnyHashable($0.port)] }).count)
                #expect(port.backends.allSatisfy { !$0.inLocal || $0.isLocal })
                #expect(port.backends.allSatisfy { $0.state == .active || !($0.inCluster || $0.inLocal) })
                for frontend in port.frontends {
                    #expect(owners.insert(frontend.key).inserted, "\(frontend.key) has two owners")
                    #expect((frontend.action == .balance) == (frontend.policy == .cluster ? inCluster : inLocal))
                    #expect(frontend.action != .drop || frontend.policy == .local)
                    #expect(frontend.key.address.family == port.name.family)
                    #expect(frontend.key.proto == port.name.proto)
                }
                let outside = port.frontends.filter { $0.key.scope == .fromOutside }
                #expect(outside.count == port.frontends.count(where: \.hasOutside))
            }
        }
    }
}

extension ClusterEvent {
    var undo: ClusterEvent {
        switch self {
        case .service(let service): .serviceGone(service.name)
        case .slice(let slice): .sliceGone(slice.name)
        case .node(let node): .nodeGone(node.name)
        case .serviceGone, .sliceGone, .nodeGone: self
        }
    }
}
