import KubernetesObjects
import ManifestDirectory
import ServiceModel
import Testing

/// A mistake in a manifest and the sentence that it must bring.
struct Mistake: Sendable, CustomTestStringConvertible {
    var text: String
    var sentence: String
    /// Only an element of the object is left out for it.
    var isPartial = false
    var testDescription: String { sentence }

    init(_ sentence: String, _ text: String) {
        self.text = text
        self.sentence = sentence
    }

    /// The same mistake as one that costs an element only.
    var partial: Mistake {
        var mistake = self
        mistake.isPartial = true
        mistake.sentence = sentence.replacing("cannot use ", with: "cannot use a part of ", maxReplacements: 1)
            .replacing("(document 1): ", with: "(document 1), which is left out: ", maxReplacements: 1)
        return mistake
    }

    /// A Service with these lines in its `spec`.
    init(_ sentence: String, spec: String) {
        self.init(
            "cannot use Service default/web in f.yaml (document 1): spec." + sentence,
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {\(spec)}\n")
    }

    /// An EndpointSlice with these fields.
    init(_ sentence: String, slice: String) {
        self.init(
            "cannot use EndpointSlice default/web-1 in f.yaml (document 1): " + sentence,
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                + "metadata: {name: web-1, labels: {kubernetes.io/service-name: other}}\n\(slice)\n---\n"
                + Manifests.service("other", ip: "10.96.0.77"))
    }
}

let serviceMistakes: [Mistake] = [
    Mistake("ports[0].port is 0; write a port from 1 to 65535", spec: "ports: [{port: 0}]"),
    Mistake(
        "ports[1].port is 70000; write a port from 1 to 65535",
        spec: "ports: [{name: a, port: 1}, {name: b, port: 70000}]"
    ).partial,
    Mistake("ports[0].port is \"80\"; write a number without quotes", spec: "ports: [{port: '80'}]"),
    Mistake("ports[0].port is http; write a whole number", spec: "ports: [{port: http}]"),
    Mistake("ports[0].port is missing; write a port from 1 to 65535", spec: "ports: [{name: a}]"),
    Mistake("ports is missing; write at least one port", spec: "clusterIP: 10.96.0.15"),
    Mistake("ports is a map; write a list", spec: "ports: {port: 80}, clusterIP: None"),
    Mistake("ports[0].protocol is ICMP; write TCP, UDP or SCTP", spec: "ports: [{port: 80, protocol: ICMP}]").partial,
    Mistake(
        "ports[1].port repeats 80/TCP of spec.ports[0]; write each port once",
        spec: "ports: [{name: a, port: 80}, {name: b, port: 80}]"
    ).partial,
    Mistake(
        "ports[1].name repeats a of spec.ports[0]; give each port its own name",
        spec: "ports: [{name: a, port: 80}, {name: a, port: 81}]"
    ).partial,
    Mistake(
        "ports[1].name is missing; give each port of the Service a name",
        spec: "ports: [{name: a, port: 80}, {port: 81}]"
    ).partial,
    Mistake(
        "ports[1].nodePort repeats 30080/TCP of spec.ports[0]; write another NodePort",
        spec: "type: NodePort, ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 81, nodePort: 30080}]"
    ).partial,
    Mistake(
        "loadBalancerSourceRanges[1] is 192.0.2.0; write a range like 192.0.2.0/24",
        spec: "ports: [{port: 80}], loadBalancerSourceRanges: [' 10.0.0.0/8 ', 192.0.2.0]"
    ).partial,
    Mistake(
        "ports[0].nodePort is 70000; write a port from 1 to 65535",
        spec: "type: NodePort, ports: [{port: 80, nodePort: 70000}]"
    ).partial,
    Mistake(
        "ports[0].targetPort is 70000; write a port from 1 to 65535", spec: "ports: [{port: 80, targetPort: 70000}]"
    ).partial,
    Mistake(
        "ports[0].targetPort is \"8080\"; write a number without quotes, or a port's name with a letter in it",
        spec: "ports: [{port: 80, targetPort: '8080'}]"
    ).partial,
    Mistake(
        "type is Cluster; write ClusterIP, NodePort, LoadBalancer or ExternalName",
        spec: "type: Cluster, ports: [{port: 80}]"
    ).partial,
    Mistake(
        "cannot use Service default/web in f.yaml (document 1): metadata.annotations.a is a list; write a text",
        """
        {apiVersion: v1, kind: Service, metadata: {name: web, labels: {b: c}, annotations: {a: [b]}},
         spec: {ports: [{port: 80}]}}
        """
    ).partial,
    Mistake("externalName is missing; write the DNS name that the Service stands for", spec: "type: ExternalName")
        .partial,
    Mistake(
        "clusterIP is 10.96.0.300, which is no IP address; write an IPv4 or IPv6 address",
        spec: "clusterIP: 10.96.0.300, ports: [{port: 80}]"),
    Mistake(
        "clusterIP is 10.96.0.15, but spec.ipFamilies[0] is IPv6; write an IPv6 address or correct the family",
        spec: "clusterIP: 10.96.0.15, ipFamilies: [IPv6], ports: [{port: 80}]"
    ).partial,
    Mistake(
        "clusterIPs[1] is a second IPv4 address; write at most one address of each family",
        spec: "clusterIPs: [10.96.0.15, 10.96.0.16], ports: [{port: 80}]"
    ).partial,
    Mistake(
        "clusterIPs begins with 10.96.0.16, but spec.clusterIP is 10.96.0.15; write the same address",
        spec: "clusterIP: 10.96.0.15, clusterIPs: [10.96.0.16], ports: [{port: 80}]"),
    Mistake(
        "clusterIPs has None and addresses; write None alone",
        spec: "clusterIPs: [None, 10.96.0.16], ports: [{port: 80}]"),
    Mistake("clusterIPs is \"10.96.0.16\"; write a list", spec: "clusterIPs: '10.96.0.16', ports: [{port: 80}]"),
    Mistake(
        "clusterIPs is \"10.96.0.15\"; write a list",
        spec: "clusterIP: 10.96.0.15, clusterIPs: '10.96.0.15', ports: [{port: 80}]"
    ).partial,
    Mistake("clusterIPs[1] is null; write a text", spec: "clusterIPs: [10.96.0.15, ~], ports: [{port: 80}]").partial,
    Mistake("ipFamilies is v4; write a list", spec: "ipFamilies: v4, ports: [{port: 80}]").partial,
    Mistake("externalIPs is 192.0.2.7; write a list", spec: "externalIPs: 192.0.2.7, ports: [{port: 80}]").partial,
    Mistake("ipFamilies[0] is v4; write IPv4 or IPv6", spec: "ipFamilies: [v4], ports: [{port: 80}]").partial,
    Mistake(
        "externalIPs[0] is node-1, which is no IP address; write an IPv4 or IPv6 address",
        spec: "externalIPs: [node-1], ports: [{port: 80}]"
    ).partial,
    Mistake("sessionAffinity is Client; write None or ClientIP", spec: "sessionAffinity: Client, ports: [{port: 80}]")
        .partial,
    Mistake(
        "sessionAffinityConfig.clientIP.timeoutSeconds is 0; write a time-out from 1 to 86400 seconds",
        spec: "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, ports: [{port: 80}]"
    ).partial,
    Mistake(
        "sessionAffinityConfig.clientIP.timeoutSeconds is 86401; write a time-out from 1 to 86400 seconds",
        spec:
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, ports: [{port: 80}]"
    ).partial,
    Mistake(
        "internalTrafficPolicy is local; write Cluster or Local",
        spec: "internalTrafficPolicy: local, ports: [{port: 80}]"
    ).partial,
    Mistake(
        "publishNotReadyAddresses is \"true\"; write true or false",
        spec: "publishNotReadyAddresses: 'true', ports: [{port: 80}]"
    ).partial,
    Mistake("selector is app; write a map with keys and values", spec: "selector: app, ports: [{port: 80}]").partial,
    Mistake(
        "ports[0].name is \"H\\n\", which is not a valid name; write at most 63 of a-z, 0-9 and '-', "
            + "with a letter or digit at both ends",
        spec: #"ports: [{name: "H\n", port: 80}]"#),
    Mistake("selector.app is a list; write a text", spec: "selector: {app: [web], tier: a}, ports: [{port: 80}]")
        .partial,
    Mistake(
        "loadBalancerSourceRanges is 10.0.0.0/8; write a list",
        spec: "loadBalancerSourceRanges: 10.0.0.0/8, ports: [{port: 80}]"
    ).partial,
    Mistake(
        "cannot use Service default/web in f.yaml (document 1): metadata.creationTimestamp is today; "
            + "write a time like 2026-01-31T10:00:00Z, or remove it",
        """
        {apiVersion: v1, kind: Service, metadata: {name: web, creationTimestamp: today}, spec: {ports: [{port: 80}]}}
        """
    ).partial,
]

let otherMistakes: [Mistake] = [
    Mistake("addressType is missing; write IPv4, IPv6 or FQDN", slice: "endpoints: []"),
    Mistake("addressType is IPv5; write IPv4, IPv6 or FQDN", slice: "addressType: IPv5"),
    Mistake("ports[0].port is 0; write a port from 1 to 65535", slice: "addressType: IPv4\nports: [{port: 0}]").partial,
    Mistake(
        "ports[1].name repeats an unnamed TCP port; give each port its own name",
        slice: "addressType: IPv4\nports: [{port: 1}, {port: 2}]"
    ).partial,
    Mistake(
        "endpoints[1].addresses[0] is 10.0.0, which is no IP address; write an IPv4 or IPv6 address",
        slice: "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0]}]"
    ).partial,
    Mistake(
        "endpoints[0].addresses[0] is fd00::1, but addressType is IPv4; move it to a slice of its family",
        slice: "addressType: IPv4\nendpoints: [{addresses: ['fd00::1']}]".replacing("'fd00::1'", with: "fd00::1")
    ).partial,
    Mistake(
        "endpoints[0].addresses is missing; write the address of the endpoint",
        slice: "addressType: IPv4\nendpoints: [{}]"
    ).partial,
    Mistake(
        "endpoints[0].addresses[0] is 127.0.0.1: a loopback, unspecified, multicast or link-local address is no endpoint's; "
            + "write an address that its clients can reach",
        slice: "addressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]"
    ).partial,
    Mistake(
        "endpoints[0].conditions.ready is 1; write true or false",
        slice: "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: 1}}]"
    ).partial,
    Mistake(
        "cannot use Endpoints default/web in f.yaml (document 1): subsets[0].addresses[0].ip is missing; write the address of the endpoint",
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets: [{addresses: [{hostname: a}]}]"
    ).partial,
    Mistake(
        "cannot use a part of Pod default/a in f.yaml (document 1), which is left out: status.podIP is x, which is no IP address; write an IPv4 or IPv6 address",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIP: x}"),
    Mistake(
        "cannot use Node n in f.yaml (document 1): status.addresses[0].address is x, which is no IP address; write an IPv4 or IPv6 address",
        "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nstatus: {addresses: [{type: InternalIP, address: x}]}"
    ).partial,
    Mistake(
        "cannot use Node n in f.yaml (document 1): status.addresses[0] is x; write a map with keys and values",
        "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nstatus: {addresses: [x]}"
    ).partial,
    Mistake(
        "cannot use Node n in f.yaml (document 1): spec.taints is x; write a list",
        "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nspec: {taints: x}"
    ).partial,
    Mistake(
        "cannot use Pod default/a in f.yaml (document 1): spec.containers is x; write a list",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: x}"
    ).partial,
    Mistake(
        "cannot use Service in f.yaml (document 1): metadata.name is missing; give the Service a name",
        "apiVersion: v1\nkind: Service\nmetadata: {namespace: a}\nspec: {}"),
    Mistake(
        "cannot use Service in f.yaml (document 1): metadata.name is \"a\\u{1B}[2J/b\", which is not a valid name; "
            + "write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends",
        #"apiVersion: v1"# + "\nkind: Service\n" + #"metadata: {name: "a\e[2J/b"}"# + "\nspec: {ports: [{port: 80}]}"),
    Mistake(
        "cannot use Service in f.yaml (document 1): metadata.namespace is \"../x\", which is not a valid name; "
            + "write at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: ../x}\nspec: {ports: [{port: 80}]}"),
    Mistake(
        "cannot use Node in f.yaml (document 1): metadata.name is \"a..b\", which is not a valid name; "
            + "write at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends and at each dot",
        "apiVersion: v1\nkind: Node\nmetadata: {name: a..b}"),
    Mistake(
        "cannot use f.yaml (document 1): kind is missing; write what the object is",
        "apiVersion: v1\nmetadata: {name: a}"),
    Mistake(
        "cannot use f.yaml (document 1): it is a text, not an object; write an object with apiVersion and kind", "hello"
    ),
    Mistake(
        "cannot parse f.yaml (document 1): line 2: the key kind appears twice; correct the YAML",
        "kind: Service\nkind: Service\n"),
    Mistake(
        "cannot use Service default/web in f.yaml (document 1): items[0].spec.ports[0].port is 0; write a port from 1 to 65535",
        "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}]"
    ),
    Mistake(
        "cannot use Service default/web in f.yaml (document 2): document 1 of this file defines it already; keep one of them",
        Manifests.documents(Manifests.service(), Manifests.service())),
    Mistake(
        "cannot give Service default/web2 in f.yaml (document 2) all that it claims: "
            + "10.96.0.15:80/TCP is also claimed by Service default/web; change one of them",
        Manifests.documents(Manifests.service(), Manifests.service("web2"))),
    Mistake(
        "cannot give Service default/web2 in f.yaml (document 2) all that it claims: "
            + "NodePort 30080/TCP is also claimed by Service default/web; change one of them",
        Manifests.documents(nodePort("web", "10.96.0.15"), nodePort("web2", "10.96.0.16"))),
    Mistake(
        "cannot give Service default/web2 in f.yaml (document 2) all that it claims: 10.96.0.1:80/TCP is also claimed by "
            + "Service default/web, and 2 more of them by others; change one of them",
        Manifests.documents(
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
                + "spec: {clusterIP: 10.96.0.1, externalIPs: [10.96.0.3, 10.96.0.2], ports: [{port: 80}]}",
            "apiVersion: v1\nkind: Service\nmetadata: {name: web2}\n"
                + "spec: {clusterIP: 10.96.0.9, externalIPs: [10.96.0.2, 10.96.0.1, 10.96.0.3], ports: [{port: 80}]}")),
    // A ClusterIP is never lost to an external IP, whatever the names (spec 25).
    Mistake(
        "cannot give Service default/a in f.yaml (document 1) all that it claims: "
            + "10.96.0.16:80/TCP is also claimed by Service default/b; change one of them",
        Manifests.documents(
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
                + "spec: {clusterIP: 10.96.0.15, externalIPs: [10.96.0.16], ports: [{port: 80}]}",
            nodePort("b", "10.96.0.16"))),
]

/// What is used, or passed over, and probably not meant so.
let doubts: [Mistake] = [
    Mistake(
        "look at v1 service default/a in f.yaml (document 1): kind is service, which is none; write Service",
        "apiVersion: v1\nkind: service\nmetadata: {name: a}"),
    Mistake(
        "look at v2 Service default/a in f.yaml (document 1): apiVersion is v2, which has no Service; write v1",
        "apiVersion: v2\nkind: Service\nmetadata: {name: a}"),
    Mistake(
        "look at discovery.k8s.io/v1beta1 EndpointSlice default/a in f.yaml (document 1): "
            + "apiVersion is discovery.k8s.io/v1beta1, which has no EndpointSlice; write discovery.k8s.io/v1",
        "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: a}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): spec.clusterIp is no field that is known; write clusterIP",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIp: 10.96.0.15, ports: [{port: 80}]}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): spec.ports[0].wizardry is no field that is known; remove it",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {wizardry: a}, ownerReferences: [{x: 1}]}\n"
            + "spec: {ports: [{port: 80, wizardry: 1}], ipFamilyPolicy: SingleStack}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): a is no field that is known; remove it",
        "a: 1\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): spec.addresse is no field that is known; remove it",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {addresse: x, ports: [{port: 80}]}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): spec.trafficDistribution is PreferCloze; "
            + "write PreferClose, PreferSameZone or PreferSameNode",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
            + "spec: {trafficDistribution: PreferCloze, clusterIP: 10.96.0.15, ports: [{port: 80}]}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): "
            + "metadata.annotations[service.kubernetes.io/topology-mode] is auot; write Auto or Disabled",
        "apiVersion: v1\nkind: Service\n"
            + "metadata: {name: web, annotations: {service.kubernetes.io/topology-mode: auot}}\n"
            + "spec: {clusterIP: 10.96.0.15, ports: [{port: 80}]}"),
    Mistake(
        "look at Service default/web in f.yaml (document 1): spec.ports[0].nodePort is 22, outside 30000-32767; "
            + "write one inside, where no other program listens",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
            + "spec: {type: NodePort, clusterIP: 10.96.0.15, ports: [{port: 80, nodePort: 22}]}"),
    Mistake(
        "look at EndpointSlice default/web-1 in f.yaml (document 1): metadata.labels[kubernetes.io/service-name] "
            + "is missing, so that it belongs to no Service; write the name of the Service",
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1}\naddressType: IPv4"),
    Mistake(
        "look at EndpointSlice default/web-1 in f.yaml (document 1): Service default/web, to which it belongs, is not "
            + "there; write the Service, or correct the label kubernetes.io/service-name", Manifests.slice()),
    Mistake(
        "look at Endpoints default/web in f.yaml (document 3): its Service has EndpointSlices, which count alone; "
            + "keep one of them",
        Manifests.documents(
            Manifests.service(), Manifests.slice(), "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}")),
]

private func nodePort(_ name: String, _ ip: String) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name)}
    spec: {type: NodePort, clusterIP: \(ip), ports: [{port: 80, nodePort: 30080}]}
    """
}

@Suite("Validation")
struct ValidationTests {
    @Test("a mistake brings one sentence", arguments: serviceMistakes + otherMistakes + doubts)
    func sentence(mistake: Mistake) {
        let problems = ManifestLoader.load(text: mistake.text, named: "f.yaml").problems
        #expect(problems.map(\.description) == [mistake.sentence])
    }

    @Test("spec 58: an object is passed on without what cannot be used, or not at all", arguments: serviceMistakes)
    func passedOn(mistake: Mistake) {
        #expect(ManifestLoader.load(text: mistake.text, named: "f.yaml").events.isEmpty == !mistake.isPartial)
    }

    @Test("every mistake of an object is told")
    func allMistakes() {
        let text = Manifests.service(ip: "1.2.3", port: 0, extra: "sessionAffinity: Sticky")
        #expect(
            ManifestLoader.load(text: text).problems.map(\.field) == [
                "spec.clusterIP", "spec.ports[0].port", "spec.sessionAffinity",
            ])
    }

    @Test("a broken document leaves the others untouched")
    func brokenDocument() {
        let text = Manifests.documents(Manifests.service("a", ip: "10.96.0.1"), "kind: [", Manifests.service("b"))
        let result = ManifestLoader.load(text: text, named: "f.yaml")
        #expect(result.events.count == 2)
        #expect(result.problems.map(\.kind) == [.unparsable])
        #expect(result.problems.first?.document == 2)
        #expect(result.problems.first?.description.hasPrefix("cannot parse f.yaml (document 2): line ") == true)
    }

    @Test("broken JSON is told with its place")
    func brokenJSON() {
        let problems = ManifestLoader.load(text: "{\"kind\": \"Service\"\n\"x\": 1}", named: "f.json").problems
        #expect(
            problems.map(\.description) == [
                "cannot parse f.json (document 1): line 2, column 1: expected ',' or '}'; correct the JSON"
            ])
    }

    @Test("deep nesting is refused, not a crash")
    func nesting() {
        let text = String(repeating: "[", count: 100_000)
        #expect(ManifestLoader.load(text: text).problems.count == 1)
        #expect(ManifestLoader.load(text: text, named: "f.json").problems.count == 1)
    }

    @Test("nesting has a limit that no manifest reaches", arguments: [(500, true), (600, false)])
    func nestingLimit(depth: Int, isRead: Bool) {
        let list = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        let problems = ManifestLoader.load(text: "apiVersion: v1\nkind: Other\nx: \(list)").problems
        #expect(problems.map(\.cause) == (isRead ? [] : ["line 3: the nesting is too deep"]))
    }
}
