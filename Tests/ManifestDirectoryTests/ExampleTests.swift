import Foundation
import KubernetesObjects
import ManifestDirectory
import ServiceModel
import Testing

@Suite("The examples of this repository")
struct ExampleTests {
    private var directory: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("examples").path
    }

    @Test("they have no mistake and show what the README says")
    func load() {
        let result = ManifestLoader.load(directories: [directory])
        #expect(result.problems.map(\.description) == [])
        var services: Set<String> = []
        var slices: Set<String> = []
        var nodes: Set<String> = []
        for event in result.events {
            switch event {
            case .service(let service): services.insert(service.name.name)
            case .slice(let slice): slices.insert(slice.name.name)
            case .node(let node): nodes.insert(node.name)
            case .serviceGone, .sliceGone, .nodeGone: Issue.record("nothing was there before")
            }
        }
        #expect(
            services == [
                "my-api", "multi-port", "sticky", "node-port", "headless", "external-name", "external-address",
                "no-endpoints",
            ])
        #expect(
            slices == [
                "my-api", "multi-port", "sticky", "node-port", "headless", "external-address@endpoints-ipv4-0",
                "no-endpoints@pods-ipv4-8080",
            ])
        #expect(nodes == ["demo-node"])
    }
}
