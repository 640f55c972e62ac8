import ServiceModel
import Testing

@Suite("Masquerade")
struct MasqueradeTests {
    private static let v4 = CIDR("10.244.0.0/16")
    private static let v6 = CIDR("fd00:244::/64")

    private func frontend(
        _ kind: DesiredFrontend.Kind, _ policy: Service.TrafficPolicy = .cluster, hasOutside: Bool = false,
        hostOnly: Bool = false, at address: IPAddress = "192.0.2.1"
    ) -> DesiredFrontend {
        DesiredFrontend(
            key: FrontendKey(address: address, port: 80, proto: .tcp), kind: kind, policy: policy,
            hostOnly: hostOnly, hasOutside: hasOutside)
    }

    private func node(_ traffic: LocalTraffic = .unknown, all: Bool = false) -> NodeConfiguration {
        var node = NodeConfiguration(name: "here")
        node.localTraffic = traffic
        node.masqueradesAll = all
        return node
    }

    @Test("spec 36c: who goes to a ClusterIP from outside, if outside is known")
    func clusterIP() {
        let known = node(.sources([Self.v4].compactMap { $0 }))
        #expect(frontend(.clusterIP, at: "10.96.0.1").masquerade(on: known) == .fromOutside)
        #expect(frontend(.clusterIP, .local, at: "10.96.0.1").masquerade(on: known) == .fromOutside)
        #expect(frontend(.clusterIP, at: "fd00:96::1").masquerade(on: known) == .never)
        #expect(frontend(.clusterIP, at: "10.96.0.1").masquerade(on: node()) == .never)
        for traffic in [LocalTraffic.bridge("cni0"), .devices(prefix: "veth")] {
            #expect(frontend(.clusterIP, at: "fd00:96::1").masquerade(on: node(traffic)) == .fromOutside)
        }
    }

    @Test("spec 36e: everybody who goes to a ClusterIP, and nobody else for that reason")
    func all() {
        #expect(frontend(.clusterIP, at: "10.96.0.1").masquerade(on: node(all: true)) == .always)
        #expect(frontend(.nodePort, .local).masquerade(on: node(all: true)) == .never)
    }

    @Test(
        "spec 18, 36a, 36b: external kinds by policy",
        arguments: [DesiredFrontend.Kind.nodePort, .loadBalancer, .externalIP])
    func external(kind: DesiredFrontend.Kind) {
        #expect(frontend(kind).masquerade(on: node()) == .always)
        #expect(frontend(kind, .local).masquerade(on: node()) == .never)
        #expect(frontend(kind, hasOutside: true).masquerade(on: node()) == .fromHost)
        #expect(frontend(kind, hostOnly: true, at: "127.0.0.1").masquerade(on: node()) == .never)
    }

    @Test("whose packets each of them means")
    func origins() {
        func origins(_ masquerade: Masquerade) -> [PacketOrigin] {
            PacketOrigin.allCases.filter(masquerade.includes)
        }
        #expect(origins(.always) == [.host, .pod, .outside])
        #expect(origins(.fromOutside) == [.host, .outside])
        #expect(origins(.fromHost) == [.host])
        #expect(origins(.never) == [])
    }

    /// A detector, a packet, and whether it is one of a pod.
    struct Packet: Sendable {
        var mode: LocalTrafficMode
        var source: IPAddress
        var device: String
        var isLocal: Bool
    }

    @Test(
        "spec 36c: what each detector takes for a pod's",
        arguments: [
            Packet(mode: .clusterCIDR, source: "10.244.9.9", device: "eth0", isLocal: true),
            Packet(mode: .clusterCIDR, source: "10.245.0.1", device: "veth1", isLocal: false),
            Packet(mode: .clusterCIDR, source: "fd00:244::1", device: "eth0", isLocal: true),
            Packet(mode: .nodeCIDR, source: "10.244.1.9", device: "eth0", isLocal: true),
            Packet(mode: .nodeCIDR, source: "10.244.9.9", device: "eth0", isLocal: false),
            Packet(mode: .bridgeInterface, source: "192.0.2.9", device: "cni0", isLocal: true),
            Packet(mode: .bridgeInterface, source: "10.244.1.9", device: "cni01", isLocal: false),
            Packet(mode: .interfaceNamePrefix, source: "192.0.2.9", device: "veth12ab", isLocal: true),
            Packet(mode: .interfaceNamePrefix, source: "10.244.1.9", device: "eth0", isLocal: false),
            Packet(mode: .interfaceNamePrefix, source: "10.244.1.9", device: "", isLocal: false),
        ])
    func detects(packet: Packet) {
        var settings = LocalTrafficSettings()
        settings.mode = packet.mode
        settings.clusterCIDRs = [Self.v4, Self.v6].compactMap { $0 }
        settings.bridgeInterface = "cni0"
        settings.interfaceNamePrefix = "veth"
        let detector = settings.detector(podCIDRs: ["10.244.1.0/24"].compactMap(CIDR.init))
        #expect(detector.includes(source: packet.source, device: packet.device) == packet.isLocal, "\(packet)")
    }
}
