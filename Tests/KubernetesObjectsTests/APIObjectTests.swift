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

    @Test("spec 58: source ranges that cannot be read admit no client", arguments: ["[{}]", "[[]]", "{}", #""web""#])
    func unreadableRanges(text: String) throws {
        let object = try read(
            "Service",
            #""spec": {"clusterIP": "10.96.0.15", "ports": [{"port": 80}], "loadBalancerSourceRanges": \#(text)}"#)
        guard case .service(let service)? = object.event else { throw Missing() }
        #expect(service.loadBalancerSourceRanges.count == 1 && object.problems.map(\.kind) == [.partial])
    }

    /// What a watch says of an object with these members.
    private func read(_ kind: String, _ members: String, metadata: String = "") throws -> APIObject {
        let version = kind == "EndpointSlice" ? "discovery.k8s.io/v1" : "v1"
        let text = """
            {"type": "ADDED", "object": {"apiVersion": "\(version)", "kind": "\(kind)", "metadata": {"name": "a"\(metadata)}, \
            \(members)}}
            """
        guard case .put(let object) = try event(text) else { throw Missing() }
        return object
    }

    @Test("spec 58: an endpoint or port that cannot be used is left out, and IPv4 with leading zeros is decimal")
    func partOfSlice() throws {
        let object = try read(
            "EndpointSlice",
            """
            "addressType": "IPv4", "ports": [{"name": "a", "port": 0}, {"name": "b", "port": 80, "protocol": ""}],
            "endpoints": [{"addresses": ["010.244.0.09"]}, {"addresses": ["10.244.0"]}, {"addresses": ["10.244.0.8"]}]
            """)
        guard case .slice(let slice)? = object.event else { throw Missing() }
        #expect(slice.endpoints.map(\.address.description) == ["10.244.0.9", "10.244.0.8"])
        #expect(slice.ports.map { "\($0.name) \($0.proto)" } == ["b TCP"])
        #expect(object.problems.map(\.kind) == [.partial, .partial])
        #expect(
            object.problems.last?.description == """
                cannot use a part of EndpointSlice default/a in https://192.0.2.1:6443, which is left out: \
                endpoints[1].addresses[0] is "10.244.0", which is no IP address; write an IPv4 or IPv6 address
                """)
    }

    @Test("spec 58: an address or port of a Service that cannot be used is left out")
    func partOfService() throws {
        let object = try read(
            "Service",
            """
            "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.015", "x"], "externalIPs": ["y", "192.0.2.01"],
             "sessionAffinity": "Odd", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 0}],
             "loadBalancerSourceRanges": ["010.0.0.0/8"]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7", "ipMode": "Odd"}, {"ip": "192.0.2.8"}]}}
            """)
        guard case .service(let service)? = object.event else { throw Missing() }
        #expect(service.clusterIPs.map(\.description) == ["10.96.0.15"])
        #expect(service.externalIPs.map(\.description) == ["192.0.2.1"])
        #expect(service.ports.map(\.name) == ["a"])
        #expect(service.ingress.map(\.address.description) == ["192.0.2.8"])
        #expect(service.affinitySeconds == nil)
        #expect(object.problems.allSatisfy { $0.kind == .partial })
        #expect(
            object.problems.map(\.field) == [
                "spec.clusterIPs[1]", "spec.externalIPs[0]", "spec.ports[1].port", "spec.sessionAffinity",
                "status.loadBalancer.ingress[0].ipMode",
            ])
    }

    @Test("an annotation of ours whose value means nothing is told, and does nothing")
    func oddAnnotations() throws {
        func read(_ sockets: String, _ destroy: String) throws -> (Service, [StateProblem]) {
            let object = try self.read(
                "Service", #""spec": {"clusterIP": "10.96.0.15", "ports": [{"port": 80}]}"#,
                metadata: """
                    , "annotations": {"\(Service.socketsAnnotation)": "\(sockets)", \
                    "\(Service.destroyTCPAnnotation)": "\(destroy)"}
                    """)
            guard case .service(let service)? = object.event else { throw Missing() }
            return (service, object.problems)
        }
        let (odd, problems) = try read("Off", "yes")
        #expect(!odd.leavesSockets && !odd.destroysTCP)
        #expect(problems.map(\.kind) == [.partial, .partial])
        #expect(problems.map(\.description).allSatisfy { $0.contains("metadata.annotations") }, "\(problems)")
        #expect(problems.first?.description.contains(#"write "off", or remove it"#) == true, "\(problems)")
        #expect(problems.last?.description.contains(#"write "true" or "false", or remove it"#) == true, "\(problems)")
        let (plain, none) = try read("off", "false")
        #expect(plain.leavesSockets && !plain.destroysTCP && none.isEmpty)
    }

    @Test("a Service that asks for far too many source ranges is refused, and is not served without them")
    func tooManyRanges() throws {
        let ranges = (0..<2_000).map { "\"198.18.\($0 / 250).\($0 % 250)/32\"" }.joined(separator: ",")
        let ports = (1...51).map { #"{"name": "p\#($0)", "port": \#($0)}"# }.joined(separator: ",")
        let object = try read(
            "Service",
            #""spec": {"clusterIP": "10.96.0.15", "loadBalancerSourceRanges": [\#(ranges)], "ports": [\#(ports)]}"#)
        #expect(object.event == nil)
        #expect(
            object.problems.map(\.description) == [
                """
                cannot use Service default/a in https://192.0.2.1:6443: spec.loadBalancerSourceRanges would make 102000 \
                ranges, one for each port, and a Service may have 100000; write wider ranges, or make several Services, \
                each with fewer ports
                """
            ])
    }

    @Test("a Service that asks for far too many frontends goes without its external IPs, and says so")
    func tooManyFrontends() throws {
        let externals = (0..<2_000).map { "\"198.18.\($0 / 250).\($0 % 250)\"" }.joined(separator: ",")
        let ports = (1...10).map { #"{"name": "p\#($0)", "port": \#($0)}"# }.joined(separator: ",")
        let object = try read(
            "Service", #""spec": {"clusterIP": "10.96.0.15", "externalIPs": [\#(externals)], "ports": [\#(ports)]}"#)
        guard case .service(let service)? = object.event else { throw Missing() }
        #expect(service.externalIPs == [] && service.ports.count == 10)
        #expect(
            object.problems.map(\.description) == [
                """
                cannot use a part of Service default/a in https://192.0.2.1:6443, which is left out: spec.externalIPs \
                would make 20010 frontends, and a Service may have 10000; make several Services, each with fewer ports \
                or addresses
                """
            ])
    }

    @Test("a huge object, all of it wrong, is refused in no time")
    func hugeAndWrong() throws {
        let endpoints = Array(repeating: #"{"addresses": ["10.0.0"]}"#, count: 40_000).joined(separator: ",")
        let start = ContinuousClock.now
        let object = try read("EndpointSlice", #""addressType": "IPv4", "endpoints": [\#(endpoints)]"#)
        #expect(object.problems.count == 5)
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test("spec 58: an empty text is an absent one")
    func emptyTexts() throws {
        let object = try read(
            "Service",
            """
            "spec": {"type": "", "clusterIP": "10.96.0.15", "sessionAffinity": "", "externalTrafficPolicy": "",
             "internalTrafficPolicy": "", "ports": [{"port": 80, "protocol": "", "name": ""}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7", "ipMode": ""}]}}
            """)
        #expect(object.problems == [])
        guard case .service(let service)? = object.event else { throw Missing() }
        #expect(service.kind == .clusterIP && service.ports.map(\.proto) == [.tcp])
    }

    @Test("a Service whose only port has a protocol of another age is known, and serves nothing")
    func onlyPort() throws {
        let object = try read(
            "Service", #""spec": {"clusterIP": "10.96.0.15", "ports": [{"port": 443, "protocol": "QUIC"}]}"#)
        guard case .service(let service)? = object.event else { throw Missing() }
        #expect(service.clusterIPs.map(\.description) == ["10.96.0.15"] && service.ports.isEmpty)
        #expect(object.problems.map(\.kind) == [.partial])
    }

    @Test("a Service with no usable port or ClusterIP is refused, and what costs it is told before what does not")
    func refused() throws {
        let port = try read("Service", #""spec": {"clusterIP": "10.96.0.15", "ports": [{"port": 0}]}"#)
        #expect(port.event == nil && port.problems.map(\.kind) == [.invalid])
        let address = try read("Service", #""spec": {"clusterIP": "10.96.0", "ports": [{"port": 80}]}"#)
        #expect(address.event == nil && address.problems.map(\.kind) == [.invalid])
        let externals = (0..<9).map { "\"x\($0)\"" }.joined(separator: ",")
        let many = try read(
            "Service", #""spec": {"clusterIPs": ["None", "10.96.0.1"], "externalIPs": [\#(externals)]}"#)
        #expect(many.event == nil)
        #expect(many.problems.count == 5 && many.problems.contains { $0.field == "spec.clusterIPs" })
    }

    @Test("spec 56: a Node's internal addresses come first, and a name among them is left out")
    func nodeAddresses() throws {
        let object = try read(
            "Node",
            """
            "status": {"addresses": [{"type": "ExternalIP", "address": "203.0.113.7"}, {"type": "Hostname", "address": "n"},
             {"type": "ExternalIP", "address": "n1.example"}, {"type": "InternalIP", "address": "10.0.0.07"}]}
            """)
        guard case .node(let node)? = object.event else { throw Missing() }
        #expect(node.addresses.map(\.description) == ["10.0.0.7", "203.0.113.7"])
        #expect(object.problems.map(\.field) == ["status.addresses[2].address"])
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
        #expect("\(expected)" == "410 Expired: too old")
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
