import KubernetesObjects
import ServiceModel
import Testing

@testable import ManifestDirectory

/// A good Service beside one that cannot be used.
@Suite("Beside a mistake")
struct BystanderTests {
    private static let good = Manifests.documents(
        Manifests.service("zz-good", ip: "10.96.9.9"), Manifests.slice("zz-good-1", of: "zz-good"))
    private static let name = ObjectName(namespace: "default", name: "zz-good")

    private func compiled(_ text: String) -> (service: DesiredService?, desired: DesiredState, problems: [String]) {
        let (events, problems) = ManifestLoader.load(text: text, named: "f.yaml")
        var state = ClusterState(ownNode: "node-1")
        var compiler = Compiler()
        let dirty = state.apply(events)
        let settings = NodeSettings(name: "node-1")
        _ = compiler.update(
            dirty: dirty, state: state,
            node: NodeConfiguration(settings, node: nil, localAddresses: [IPAddress(v4: 0xC000_0201)]))
        return (compiler.desired.services[Self.name], compiler.desired, problems.map(\.description))
    }

    @Test(
        "a mistake has its one sentence, and the Service beside it is served as it is alone",
        arguments: serviceMistakes + otherMistakes)
    func undisturbed(mistake: Mistake) throws {
        let alone = try #require(compiled(Self.good).service)
        #expect(!alone.ports.isEmpty)
        let both = compiled(Manifests.documents(mistake.text, Self.good))
        #expect(both.service == alone)
        #expect(both.problems == [mistake.sentence])
    }

    @Test("a Service with 65,536 endpoints in 100 slices is served whole, also with one slice that is wrong")
    func many() throws {
        let size = 656
        let slices = (0..<100).map { number in
            let addresses = (0..<min(size, 65_536 - number * size)).map { index -> String in
                let value = number * size + index
                return "{addresses: [10.\(128 + value >> 16).\(value >> 8 & 0xff).\(value & 0xff)]}"
            }
            return """
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: web-\(number), labels: {kubernetes.io/service-name: web}}
                addressType: IPv4
                ports: [{port: 8080}]
                endpoints: [\(addresses.joined(separator: ", "))]

                """
        }
        let wrong = slices[99].replacing("web-99,", with: "web-100,").replacing("IPv4", with: "IPv6")
        let all = ([Manifests.service(), Self.good] + slices + [wrong]).joined(separator: "\n---\n")
        let result = compiled(all)
        let web = try #require(result.desired.services[ObjectName(namespace: "default", name: "web")])
        #expect(web.ports.map(\.backends.count) == [65_536])
        #expect(result.service == compiled(Self.good).service)
        // A few reports, not one an endpoint.
        #expect(result.problems.count == 5)
        #expect(result.problems.allSatisfy { $0.contains("EndpointSlice default/web-100") })
        #expect(result.problems.last?.hasSuffix("; more is wrong in this object") == true)
    }
}
