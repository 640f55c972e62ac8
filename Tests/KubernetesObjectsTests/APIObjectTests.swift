import KubernetesObjects
import ServiceModel
import Testing

@Suite("Reading what the API answers")
struct APIObjectTests {
    private let reader = APIObjectReader(origin: "https://192.0.2.1:6443")

    private func page(_ text: String) throws -> APIListPage { try reader.listPage(Array(text.utf8)) }
    private func event(_ text: String) throws -> APIWatchEvent { try reader.watchEvent(Array(text.utf8)) }

    @Test("a page of a list has its objects, its version and how it goes on")
    func listPage() throws {
        let page = try page(
            """
            {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "7", "continue": "more"},
             "items": [{"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "5",
              "managedFields": [{"manager": "x", "fieldsV1": {"f:spec": {}}}]},
              "spec": {"clusterIP": "10.96.0.15", "ports": [{"port": 80, "unknown": [1, {"a": 2}]}]}}]}
            """)
        #expect(page.resourceVersion == "7")
        #expect(page.continuation == "more")
        let object = try #require(page.objects.first)
        #expect("\(object.key) \(object.resourceVersion)" == "Service shop/web 5")
        guard case .service(let service)? = object.event else { throw Missing() }
        #expect(service.ports.map(\.port.number) == [80])
    }

    @Test("the kind may come after the items, and the items may be null")
    func orderOfKeys() throws {
        let late = try page(
            #"{"metadata": {"continue": ""}, "items": [{"metadata": {"name": "n"}}], "kind": "NodeList", "apiVersion": "v1"}"#
        )
        #expect(late.objects.map { "\($0.key)" } == ["Node n"])
        #expect(late.continuation == nil)
        #expect(try page(#"{"kind": "NodeList", "apiVersion": "v1", "items": null}"#).objects.isEmpty)
    }

    @Test("an object that is wrong is one problem, and the others are read")
    func problem() throws {
        let page = try page(
            """
            {"kind": "ServiceList", "apiVersion": "v1", "items": [
             {"metadata": {"name": "a"}, "spec": {"clusterIP": "10.96.0.15", "ports": [{"port": 70000}]}},
             {"metadata": {"name": "b"}, "spec": {"clusterIP": "10.96.0.16", "ports": [{"port": 80}]}}]}
            """)
        #expect(page.objects.map { $0.event != nil } == [false, true])
        #expect(
            page.objects.flatMap(\.problems).map(\.description) == [
                """
                cannot use Service default/a in https://192.0.2.1:6443: spec.ports[0].port is 70000; \
                write a port from 1 to 65535
                """
            ])
    }

    @Test("what is no list of known objects is told")
    func otherKind() {
        let error = #expect(throws: SyntaxError.self) { try page(#"{"kind": "Status", "apiVersion": "v1"}"#) }
        #expect(error?.text == "it is a v1 Status, which is no list of known objects")
        #expect(throws: SyntaxError.self) { try page("[]") }
    }

    @Test("a watch adds, changes and deletes")
    func changes() throws {
        let object = """
            {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": {"name": "web-1", \
            "namespace": "shop", "resourceVersion": "9", "labels": {"kubernetes.io/service-name": "web"}}, \
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.244.0.1"], "conditions": {"ready": null}, \
            "targetRef": {"kind": "Pod"}}], "ports": [{"name": "", "port": 8080, "protocol": "TCP"}]}
            """
        for type in ["ADDED", "MODIFIED"] {
            guard case .put(let put) = try event("{\"type\": \"\(type)\", \"object\": \(object)}") else {
                throw Missing()
            }
            guard case .slice(let slice)? = put.event else { throw Missing() }
            #expect(slice.serviceName == "web")
            #expect(slice.endpoints.map { "\($0.address) \($0.ready)" } == ["10.244.0.1 true"])
        }
        guard case .deleted(let key, let version) = try event("{\"type\": \"DELETED\", \"object\": \(object)}")
        else { throw Missing() }
        #expect("\(key) \(version)" == "EndpointSlice shop/web-1 9")
    }

    @Test("a bookmark tells where the initial events end", arguments: [true, false])
    func bookmark(isEnd: Bool) throws {
        let annotations = isEnd ? #", "annotations": {"k8s.io/initial-events-end": "true"}"# : ""
        let text =
            #"{"type": "BOOKMARK", "object": {"kind": "Service", "apiVersion": "v1", "metadata": {"resourceVersion": "12""#
            + annotations + "}}}"
        guard case .bookmark("12", let ends) = try event(text) else { throw Missing() }
        #expect(ends == isEnd)
    }

    @Test("a refusal inside a watch, and as the body of an answer")
    func status() throws {
        let status = """
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "too old", \
            "reason": "Expired", "details": {"retryAfterSeconds": 3}, "code": 410}
            """
        let expected = APIStatus(code: 410, reason: "Expired", message: "too old", retryAfterSeconds: 3)
        guard case .failure(expected) = try event("{\"type\": \"ERROR\", \"object\": \(status)}") else {
            throw Missing()
        }
        #expect(reader.status(Array(status.utf8)) == expected)
        #expect(reader.status(Array("<html>".utf8)) == nil)
        #expect("\(expected)" == "status 410: Expired: too old")
    }

    @Test(
        "a line that is no event is told",
        arguments: [
            "{}", #"{"type": "ADDED"}"#, #"{"type": "ODD", "object": {}}"#,
            #"{"type": "ADDED", "object": {"kind": "Pod"}}"#,
            #"{"type": "ADDED", "object""#,
        ])
    func noEvent(text: String) {
        #expect(throws: SyntaxError.self) { try event(text) }
    }

    @Test("spec 46: a node that is to go says so, and where its pods' addresses come from")
    func node() throws {
        let text = """
            {"kind": "NodeList", "apiVersion": "v1", "items": [
             {"metadata": {"name": "a"}, "spec": {"podCIDR": "10.244.0.0/24"}},
             {"metadata": {"name": "b", "deletionTimestamp": "2026-01-31T10:00:00Z"},
              "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:1::/64"],
               "taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule", "value": "1"}]}}]}
            """
        let nodes = try page(text).objects.compactMap { if case .node(let node)? = $0.event { node } else { nil } }
        #expect(nodes.map(\.isBeingDeleted) == [false, true])
        #expect(nodes.map(\.isTaintedForDeletion) == [false, true])
        #expect(nodes.map { $0.podCIDRs.map(\.description) } == [["10.244.0.0/24"], ["10.244.1.0/24", "fd00:1::/64"]])
        let broken = try page(
            #"{"kind": "NodeList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}, "#
                + #""spec": {"podCIDRs": ["10.244.0.0"]}}]}"#)
        #expect(broken.objects.flatMap(\.problems).map(\.field) == ["spec.podCIDRs[0]"])
    }

    @Test(
        "spec 48: a slice says when the change was that it tells of",
        arguments: [("2026-01-31T10:00:00.5Z", 1_769_853_600_500_000_000), ("yesterday", nil)])
    func changeTrigger(text: String, nanoseconds: Int64?) throws {
        let list = """
            {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "items": [{"addressType": "IPv4",
             "metadata": {"name": "a", "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "\(text)"}}}]}
            """
        guard case .slice(let slice)? = try page(list).objects.first?.event else { throw Missing() }
        #expect(slice.lastChangeTrigger?.nanoseconds == nanoseconds)
    }
}
