import KubernetesObjects
import ManifestDirectory
import ServiceModel
import TestKit
import Testing

@Suite("Reading objects")
struct ReadingTests {
    private func services(_ text: String, named name: String = "f.yaml") -> [Service] {
        let result = ManifestLoader.load(text: text, named: name)
        #expect(result.problems.map(\.description) == [])
        return result.events.compactMap { if case .service(let service) = $0 { service } else { nil } }
    }

    @Test("every field of a Service is read")
    func service() throws {
        let text = """
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: shop, labels: {team: a, version: 1}}
            spec:
              type: LoadBalancer
              clusterIP: 10.96.0.15
              clusterIPs: [10.96.0.15, "fd00::15"]
              ipFamilies: [IPv4, IPv6]
              externalIPs: [192.0.2.7]
              externalTrafficPolicy: Local
              internalTrafficPolicy: Local
              healthCheckNodePort: 32000
              sessionAffinity: ClientIP
              sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
              loadBalancerSourceRanges: [" 10.0.0.0/8"]
              publishNotReadyAddresses: yes
              selector: {app: web}
              trafficDistribution: {field: [1, 2]}
              ports:
              - {name: http, port: 80, nodePort: 30080, targetPort: web}
              - {name: dns, port: 53, protocol: UDP}
            status: {loadBalancer: {ingress: [{ip: 192.0.2.8, ipMode: Proxy}, {hostname: x}]}}
            """
        let service = try #require(services(text).first)
        let address = { (text: String) throws in try #require(IPAddress(text)) }
        let port = { (number: Int) throws in try #require(Port(number)) }
        var expected = Service(name: ObjectName(namespace: "shop", name: "web"))
        expected.labels = ["team": "a", "version": "1"]
        expected.kind = .loadBalancer
        expected.clusterIPs = [try address("10.96.0.15"), try address("fd00::15")]
        expected.externalIPs = [try address("192.0.2.7")]
        expected.ingress = [Service.Ingress(address: try address("192.0.2.8"), mode: .proxy)]
        expected.externalPolicy = .local
        expected.internalPolicy = .local
        expected.healthCheckNodePort = try port(32000)
        expected.affinitySeconds = 60
        expected.loadBalancerSourceRanges = [" 10.0.0.0/8"]
        expected.publishNotReadyAddresses = true
        expected.selector = ["app": "web"]
        expected.ports = [
            Service.PortSpec(name: "http", port: try port(80), nodePort: try port(30080)),
            Service.PortSpec(name: "dns", proto: .udp, port: try port(53)),
        ]
        #expect(service == expected)
    }

    @Test("the namespace is default where none is written")
    func namespace() {
        #expect(services(Manifests.service()).map(\.name.description) == ["default/web"])
    }

    @Test("headless, ExternalName and affinity without a time-out")
    func kinds() {
        #expect(services(Manifests.service(ip: "None")).first?.isHeadless == true)
        let external =
            "apiVersion: v1\nkind: Service\nmetadata: {name: e}\nspec: {type: ExternalName, externalName: a.b}"
        #expect(services(external).first?.kind == .externalName)
        #expect(services(Manifests.service(extra: "sessionAffinity: ClientIP")).first?.affinitySeconds == 10_800)
    }

    @Test("an EndpointSlice has the defaults of spec 5 and spec 7")
    func slice() throws {
        let text = """
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
            addressType: IPv4
            ports: [{port: 8080}, {name: all}]
            endpoints:
            - {addresses: [10.244.0.11, 10.244.0.99], nodeName: n, zone: z, hints: {forZones: [{name: z}]}}
            - {addresses: [10.244.0.12], conditions: {ready: false, serving: true, terminating: true}}
            """
        let result = ManifestLoader.load(text: text)
        guard case .slice(let slice)? = result.events.first else { throw Missing() }
        #expect(slice.serviceName == "web")
        #expect(slice.ports == [EndpointSlice.PortSpec(port: try #require(Port(8080)))])
        let first = try #require(IPAddress("10.244.0.11"))
        let second = try #require(IPAddress("10.244.0.12"))
        #expect(
            slice.endpoints == [
                Endpoint(address: first, nodeName: "n", zone: "z", zoneHints: ["z"]),
                Endpoint(address: second, ready: false, serving: true, terminating: true),
            ])
    }

    @Test("a Node gives its addresses and labels")
    func node() throws {
        let text = """
            apiVersion: v1
            kind: Node
            metadata: {name: n, labels: {topology.kubernetes.io/zone: z}}
            status:
              addresses: [{type: Hostname, address: n}, {type: InternalIP, address: 192.0.2.1}]
            """
        var node = Node(name: "n")
        node.labels = ["topology.kubernetes.io/zone": "z"]
        node.addresses = [try #require(IPAddress("192.0.2.1"))]
        #expect(ManifestLoader.load(text: text).events == [.node(node)])
    }

    @Test("JSON and YAML say the same")
    func json() {
        let json = """
            {"apiVersion": "v1", "kind": "ServiceList", "items": [{"metadata": {"name": "web"},
             "spec": {"clusterIP": "10.96.0.15", "publishNotReadyAddresses": true, "ports": [{"port": 80}]}}]}
            """
        let yaml = Manifests.service(extra: "publishNotReadyAddresses: true")
        #expect(services(json, named: "f.json") == services(yaml))
        #expect(services(json) == services(yaml))
    }

    @Test("a state cache is a file of manifests")
    func stateCache() throws {
        let directory = try TemporaryDirectory()
        let result = ManifestLoader.load(text: Manifests.documents(Manifests.service(), Manifests.slice()))
        let cache = StateCache(path: directory.path + "/state.yaml")
        try cache.write(result.events, node: "here", at: UnixTime(nanoseconds: 0))
        let read = ManifestLoader.load(directories: [directory.path])
        #expect(read.problems.map(\.description) == [])
        #expect(Set(read.events) == Set(result.events))
    }

    @Test(
        "foreign kinds, empty documents and comments are passed over",
        arguments: [
            "", "---\n", "# nothing\n", "---\n# nothing\n---\n---\n",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {template: {}}\n",
        ])
    func passedOver(text: String) {
        let result = ManifestLoader.load(text: text)
        #expect(result.events.isEmpty)
        #expect(result.problems.isEmpty)
    }

    @Test("anchors, merge keys, directives, a byte order mark and Windows line ends")
    func yamlCorners() {
        let anchors = """
            \u{FEFF}%YAML 1.1
            ---
            apiVersion: v1
            kind: Service
            metadata: &meta {name: web}
            spec:
              clusterIP: 10.96.0.15
              ports:
              - &http {name: a, port: 80}
              - <<: *http
                name: b
                port: 81
            """
        #expect(services(anchors.replacing("\n", with: "\r\n")).first?.ports.map(\.name) == ["a", "b"])
    }
}

struct Missing: Error {}
