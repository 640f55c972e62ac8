import ServiceModel
import Testing

@testable import SwiftletDaemon

@Suite("Services whose endpoints cannot be read after a restart")
struct WithheldServicesTests {
    private let name = ObjectName(namespace: "default", name: "web")

    private func changes(pods: Int) -> DesiredChanges {
        let backends = (0..<pods).compactMap { index in
            Port(8080).map { DesiredBackend(address: IPAddress(v4: UInt32(index)), port: $0) }
        }
        let port = DesiredServicePort(
            name: ServicePortName(service: name, port: "", proto: .tcp, family: .v4), backends: backends)
        var changes = DesiredChanges()
        changes.upserts = [DesiredService(name: name, ports: [port])]
        return changes
    }

    private func filter(
        _ withheld: inout WithheldServices, _ changes: DesiredChanges, isHidden: Bool, isFound: Bool = true
    ) -> DesiredChanges {
        var changes = changes
        withheld.filter(&changes, isHidden: { _ in isHidden }, found: { isFound ? [name] : [] })
        return changes
    }

    @Test("are left as they were, until it is known that they have none")
    func withheld() {
        var withheld = WithheldServices()
        #expect(filter(&withheld, changes(pods: 0), isHidden: true).isEmpty)
        #expect(filter(&withheld, DesiredChanges(), isHidden: true).isEmpty)
        #expect(filter(&withheld, DesiredChanges(), isHidden: false) == changes(pods: 0))
        #expect(filter(&withheld, DesiredChanges(), isHidden: false).isEmpty)
    }

    @Test("are programmed as soon as endpoints are known, and forgotten when they go")
    func superseded() {
        var withheld = WithheldServices()
        _ = filter(&withheld, changes(pods: 0), isHidden: true)
        #expect(filter(&withheld, changes(pods: 1), isHidden: true) == changes(pods: 1))
        _ = filter(&withheld, changes(pods: 0), isHidden: true)
        var gone = DesiredChanges()
        gone.removals = [name]
        #expect(filter(&withheld, gone, isHidden: true) == gone)
        #expect(filter(&withheld, DesiredChanges(), isHidden: false).isEmpty)
    }

    @Test("are withheld only if something is hidden, and the maps have them from before")
    func others() {
        var withheld = WithheldServices()
        #expect(filter(&withheld, changes(pods: 0), isHidden: false) == changes(pods: 0))
        #expect(filter(&withheld, changes(pods: 0), isHidden: true, isFound: false) == changes(pods: 0))
    }
}
