import ServiceModel

/// Numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A few Services whose ports, backends and frontends change, and whose frontends move from one to another.
struct RandomCluster {
    private var random: SeededGenerator
    private(set) var services: [ObjectName: DesiredService] = [:]

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    static let names = (0..<4).map { ObjectName(namespace: "test", name: "service-\($0)") }
    /// All frontends that a Service may have; few, so that they change hands.
    static let frontends: [FrontendKey] = IPFamily.allCases.flatMap { family in
        (0..<5).flatMap { address in
            [FrontendKey.Scope.fromNode, .fromOutside].map { scope in
                FrontendKey(address: vip(address, family), port: port(80 + address % 2), proto: .tcp, scope: scope)
            }
        }
    }

    static func port(_ number: Int) -> Port {
        guard let port = Port(number) else { preconditionFailure("\(number) is no port") }
        return port
    }

    static func vip(_ number: Int, _ family: IPFamily) -> IPAddress {
        family == .v4 ? IPAddress(v4: 0x0A60_0000 + UInt32(number)) : IPAddress(v6: 0xFD00 << 48, UInt64(number))
    }

    /// Ranges inside others and beside them.
    static func ranges(_ family: IPFamily) -> [CIDR] {
        let texts =
            family == .v4
            ? ["172.16.0.0/12", "172.20.0.0/16", "172.20.3.4/32", "192.0.2.0/24"]
            : ["fd20::/16", "fd20:0:0:5::/64", "fd20:0:0:5::7/128", "2001:db8::/32"]
        return texts.compactMap { CIDR($0) }
    }

    /// A client for each way of being in these ranges, and one outside all of them.
    static func clients(_ family: IPFamily) -> [IPAddress] {
        let texts =
            family == .v4
            ? ["172.31.1.1", "172.20.9.9", "172.20.3.4", "192.0.2.7", "198.51.100.1"]
            : ["fd20:9::1", "fd20:0:0:5::9", "fd20:0:0:5::7", "2001:db8::7", "2001:db9::1"]
        return texts.compactMap { IPAddress($0) }
    }

    static func pod(_ number: Int, _ family: IPFamily) -> IPAddress {
        family == .v4 ? IPAddress(v4: 0x0A01_0000 + UInt32(number)) : IPAddress(v6: 0xFD01 << 48, UInt64(number))
    }

    /// Changes some Services; returns what has to be applied.
    mutating func change() -> (upserts: [DesiredService], removals: [ObjectName]) {
        let changed = Array(Self.names.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)))
        for name in changed { services[name] = nil }
        var (upserts, removals): ([DesiredService], [ObjectName]) = ([], [])
        for name in changed {
            if Int.random(in: 0..<5, using: &random) == 0 {
                removals.append(name)
            } else {
                let service = randomService(name)
                services[name] = service
                upserts.append(service)
            }
        }
        return (upserts, removals)
    }

    private mutating func randomService(_ name: ObjectName) -> DesiredService {
        let taken = Set(services.values.flatMap(\.ports).flatMap(\.frontends).map(\.key))
        var free = Self.frontends.filter { !taken.contains($0) }.shuffled(using: &random)
        var ports: [DesiredServicePort] = []
        for portName in ["http", "admin"] where Int.random(in: 0..<3, using: &random) > 0 {
            for family in IPFamily.allCases where Int.random(in: 0..<3, using: &random) > 0 {
                let name = ServicePortName(service: name, port: portName, proto: .tcp, family: family)
                var port = DesiredServicePort(name: name)
                port.affinitySeconds = Int.random(in: 0..<4, using: &random) == 0 ? 600 : 0
                port.backends = randomBackends(family)
                let sources = randomSources(family)
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    guard let index = free.firstIndex(where: { $0.address.family == family }) else { break }
                    port.frontends.append(randomFrontend(free.remove(at: index), port, sources))
                }
                port.frontends.sort { $0.key < $1.key }
                ports.append(port)
            }
        }
        return DesiredService(name: name, ports: ports.sorted { $0.name < $1.name })
    }

    private mutating func randomBackends(_ family: IPFamily) -> [DesiredBackend] {
        var backends: [DesiredBackend] = []
        for number in 0..<5 where Bool.random(using: &random) {
            let isTerminating = Int.random(in: 0..<6, using: &random) == 0
            let isLocal = Bool.random(using: &random)
            backends.append(
                DesiredBackend(
                    address: Self.pod(number, family), port: Self.port(8080),
                    state: isTerminating ? .terminating : .active,
                    isLocal: isLocal, inCluster: !isTerminating && Int.random(in: 0..<4, using: &random) > 0,
                    inLocal: !isTerminating && isLocal, zone: Bool.random(using: &random) ? "zone-a" : nil))
        }
        return backends
    }

    private mutating func randomSources(_ family: IPFamily) -> SourceRanges? {
        guard Int.random(in: 0..<3, using: &random) > 0 else { return nil }
        let ranges = Self.ranges(family).filter { _ in Bool.random(using: &random) }
        return SourceRanges(ranges, admitsVIP: Bool.random(using: &random))
    }

    private mutating func randomFrontend(
        _ key: FrontendKey, _ port: DesiredServicePort, _ sources: SourceRanges?
    ) -> DesiredFrontend {
        let kinds: [DesiredFrontend.Kind] = [.clusterIP, .nodePort, .loadBalancer, .loadBalancer, .externalIP]
        let kind = kinds[Int.random(in: kinds.indices, using: &random)]
        let policy: Service.TrafficPolicy = Bool.random(using: &random) ? .cluster : .local
        let usable = port.backends.contains { policy == .cluster ? $0.inCluster : $0.inLocal }
        return DesiredFrontend(
            key: key, kind: kind,
            action: usable ? .balance : policy == .local && !port.backends.isEmpty ? .drop : .reject, policy: policy,
            sourceRanges: kind == .loadBalancer ? sources : nil)
    }
}
