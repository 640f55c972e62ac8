import KubernetesObjects
import ServiceModel
import Testing

@Suite("What is refused as it is now")
struct HiddenObjectsTests {
    private func name(_ name: String) -> ObjectName { ObjectName(namespace: "default", name: name) }

    private func problem(_ object: String, _ members: String) throws -> StateProblem {
        let reader = APIObjectReader(origin: "https://192.0.2.1")
        let line = #"{"type": "ADDED", "object": {\#(object), \#(members)}}"#
        guard case .put(let read) = try reader.watchEvent(Array(line.utf8)) else { throw Missing() }
        return try #require(read.problems.first)
    }

    private func slice() throws -> StateProblem {
        try problem(
            #""apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv9""#,
            #""metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}"#)
    }

    @Test("a refused object is known by name, and so is the Service that it concerns")
    func names() throws {
        #expect(try slice().hides == .slice(name("web-1"), of: name("web")))
        let service = #""apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}"#
        let refused = try problem(service, #""spec": {"type": "Odd"}"#)
        #expect(refused.hides == .service(name("web")) && refused.hides.service == name("web"))
        let partial = try problem(service, #""spec": {"ports": [{"port": 80}], "externalIPs": ["x"]}"#)
        #expect(partial.hides == .none)
    }

    @Test("after a restart its last good version is taken from what was known, and nothing else is")
    func restored() throws {
        let known = ["web-1", "web-2"].map { slice in
            ClusterEvent.slice(EndpointSlice(name: name(slice), serviceName: "web", addressType: .ipv4))
        }
        var batch = StateBatch(events: [.service(Service(name: name("web")))], isInitial: true)
        batch.restoreHidden(from: known)
        #expect(batch.events.count == 1)
        batch.problems = [try slice()]
        batch.restoreHidden(from: known)
        #expect(batch.events.count == 2 && batch.events.last == known[0])
        batch.restoreHidden(from: known)
        #expect(batch.events.count == 2)
    }
}
