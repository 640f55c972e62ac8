import KubernetesObjects
import ServiceModel
import Testing

/// A value of JSON, in which any part can be replaced.
indirect enum Tree: Sendable {
    case scalar(String)
    case list([Tree])
    case map(KeyValuePairs<String, Tree>)

    static func text(_ text: String) -> Tree { .scalar("\"\(text)\"") }

    var json: String {
        switch self {
        case .scalar(let text): text
        case .list(let list): "[\(list.map(\.json).joined(separator: ","))]"
        case .map(let map): "{\(map.map { "\"\($0)\":\($1.json)" }.joined(separator: ","))}"
        }
    }

    /// The way to each part, and the whole with this part replaced.
    func variants(at path: String = "", _ replacement: Tree) -> [(path: String, kind: String, whole: Tree)] {
        switch self {
        case .scalar: [(path, kind, replacement)]
        case .list(let list):
            [(path, kind, replacement)]
                + list.indices.flatMap { index in
                    list[index].variants(at: "\(path)[\(index)]", replacement).map { variant in
                        var copy = list
                        copy[index] = variant.whole
                        return (variant.path, variant.kind, .list(copy))
                    }
                }
        case .map(let map):
            (path.isEmpty ? [] : [(path, kind, replacement)])
                + map.flatMap { key, value in
                    value.variants(at: path.isEmpty ? key : "\(path).\(key)", replacement).map { variant in
                        let pairs = map.map {
                            $0.key == key ? "\"\(key)\":\(variant.whole.json)" : "\"\($0.key)\":\($0.value.json)"
                        }
                        return (variant.path, variant.kind, .scalar("{\(pairs.joined(separator: ","))}"))
                    }
                }
        }
    }

    var kind: String {
        switch self {
        case .scalar: "scalar"
        case .list: "list"
        case .map: "map"
        }
    }
}

/// What a wrong value may cost: everything that it may change is taken out of an object, and the rest must be equal.
enum Loss: Sendable {
    case service(@Sendable (inout ServiceObject) -> Void)
    case slice(@Sendable (inout EndpointSlice) -> Void)
    case endpoints(@Sendable (inout EndpointsObject) -> Void)
    case pod(@Sendable (inout PodObject) -> Void)
    case node(@Sendable (inout Node) -> Void)
    /// The object is refused: its last good version stays.
    case object
    /// Of what is not read of this object.
    case nothing

    func applied(to object: KubernetesObject) -> KubernetesObject {
        switch (self, object) {
        case (.service(let take), .service(var value)):
            take(&value)
            return .service(value)
        case (.slice(let take), .slice(var value)):
            take(&value)
            return .slice(value)
        case (.endpoints(let take), .endpoints(var value)):
            take(&value)
            return .endpoints(value)
        case (.pod(let take), .pod(var value)):
            take(&value)
            return .pod(value)
        case (.node(let take), .node(var value)):
            take(&value)
            return .node(value)
        default: return object
        }
    }
}

/// One kind of object with all the fields that are read of it, and what each is worth.
struct WorthOfFields: Sendable, CustomTestStringConvertible {
    var kind: ObjectKind
    var whole: Tree
    /// By the path of a field; what is not named is worth as much as what it stands in.
    var losses: KeyValuePairs<String, Loss>
    var testDescription: String { kind.word }

    func loss(_ path: String) -> Loss? {
        var path = Substring(path)
        while true {
            if let loss = losses.first(where: { $0.key == path })?.value { return loss }
            guard let end = path.lastIndex(where: { ".[".contains($0) }) else { return nil }
            path = path[..<end]
        }
    }
}

@Suite("Spec 58: one wrong field costs no more than itself")
struct WrongFieldTests {
    private static let wrong: [Tree] = [
        .scalar("null"), .text(""), .text(" "), .text("No/Such"), .text("web"), .scalar("-1"), .scalar("0"),
        .scalar("7"),
        .scalar("70000"), .scalar("1.5"), .scalar("99999999999999999999"), .scalar("true"), .list([]),
        .list([.text("web")]), .list([.scalar("null")]), .list([.list([.scalar("1")])]), .list([.map([:])]), .map([:]),
        .map(["x": .scalar("1")]), .map(["name": .list([])]),
    ]

    private func read(_ tree: Tree, _ kind: ObjectKind) throws -> (object: KubernetesObject?, findings: Findings) {
        let field = Field(try JSONReader.document(Array(tree.json.utf8), .known))
        let reader = ObjectReader()
        guard let key = reader.key(of: field, kind: kind) else { return (nil, field.findings) }
        let object = reader.object(field, key: key)
        return (field.findings.isRefused ? nil : object, field.findings)
    }

    @Test("what stays of an object", arguments: worths)
    func stays(worth: WorthOfFields) throws {
        let (good, findings) = try read(worth.whole, worth.kind)
        let whole = try #require(good)
        #expect(findings.all.isEmpty, "\(findings.all)")
        for value in Self.wrong {
            for variant in worth.whole.variants(value) {
                let comment = "\(worth.kind.word) with \(variant.path): \(value.json)"
                let loss = try #require(worth.loss(variant.path), "\(variant.path) has no row")
                let (object, findings) = try read(variant.whole, worth.kind)
                let told = findings.all.map { "\($0.field) \($0.cause)" }
                if case .object = loss { continue }
                let left = try #require(object, "\(comment) costs the object: \(told)")
                let isSpared = loss.applied(to: left) == loss.applied(to: whole)
                #expect(isSpared, "\(comment) costs more: \(left)")
                if case .nothing = loss { continue }
                let isOtherKind = value.kind != variant.kind && !["null", #""""#].contains(value.json)
                let isTold = !told.isEmpty || left == whole
                #expect(isTold || !isOtherKind, "\(comment) is not told")
            }
        }
    }
}

private let servicePort: Loss = .service { object in
    for index in object.service.ports.indices.reversed() where object.service.ports[index].name != "b" {
        object.service.ports.remove(at: index)
        object.targets.remove(at: index)
    }
}

private let worths: [WorthOfFields] = [
    WorthOfFields(
        kind: .service,
        whole: .map([
            "metadata": .map([
                "name": .text("web"), "namespace": .text("shop"), "labels": .map(["a": .text("b")]),
                "annotations": .map([Service.socketsAnnotation: .text("off"), "c": .text("d")]),
                "creationTimestamp": .text("2026-01-31T10:00:00Z"),
            ]),
            "spec": .map([
                "type": .text("LoadBalancer"), "clusterIP": .text("10.96.0.15"),
                "clusterIPs": .list([.text("10.96.0.15"), .text("fd00::15")]),
                "ipFamilies": .list([.text("IPv4"), .text("IPv6")]), "externalName": .text("example.com"),
                "externalIPs": .list([.text("192.0.2.1"), .text("192.0.2.2")]),
                "ports": .list([
                    .map([
                        "name": .text("a"), "protocol": .text("TCP"), "port": .scalar("80"),
                        "targetPort": .scalar("8080"), "nodePort": .scalar("30080"),
                    ]), .map(["name": .text("b"), "protocol": .text("UDP"), "port": .scalar("53")]),
                ]),
                "externalTrafficPolicy": .text("Local"), "internalTrafficPolicy": .text("Local"),
                "publishNotReadyAddresses": .scalar("true"), "healthCheckNodePort": .scalar("30999"),
                "loadBalancerSourceRanges": .list([.text("10.0.0.0/8"), .text("192.0.2.0/24")]),
                "sessionAffinity": .text("ClientIP"),
                "sessionAffinityConfig": .map(["clientIP": .map(["timeoutSeconds": .scalar("60")])]),
                "selector": .map(["app": .text("web"), "tier": .text("front")]),
            ]),
            "status": .map([
                "loadBalancer": .map([
                    "ingress": .list([
                        .map(["ip": .text("198.51.100.1"), "ipMode": .text("Proxy")]),
                        .map(["ip": .text("198.51.100.2")]),
                    ])
                ])
            ]),
        ]),
        losses: [
            "metadata": .object,
            "metadata.labels": .service { $0.service.labels = [:] },
            "metadata.annotations": .service { $0.service.annotations = [:] },
            "metadata.creationTimestamp": .service { $0.service.created = nil },
            "spec": .object,
            "spec.type": .service { $0.service.kind = .clusterIP },
            // Two fields that say the same contradict each other, and nobody knows which is right.
            "spec.clusterIP": .object,
            "spec.clusterIPs": .object,
            "spec.clusterIPs[1]": .service {
                $0.service.clusterIPs.removeAll { $0.family == .v6 }
                $0.families = []
            },
            "spec.ipFamilies": .service { $0.families = [] },
            "spec.externalName": .service { $0.service.externalName = nil },
            "spec.externalIPs": .service { $0.service.externalIPs = [] },
            "spec.externalIPs[0]": .service { $0.service.externalIPs.removeAll { "\($0)" == "192.0.2.1" } },
            "spec.externalIPs[1]": .service { $0.service.externalIPs.removeAll { "\($0)" == "192.0.2.2" } },
            "spec.ports": .object,
            "spec.ports[0]": servicePort,
            "spec.ports[0].targetPort": .service { $0.targets = [] },
            "spec.ports[0].nodePort": .service { $0.service.ports[0].nodePort = nil },
            "spec.ports[1]": .service { object in
                object.service.ports.removeSubrange(1...)
                object.targets.removeSubrange(1...)
            },
            "spec.externalTrafficPolicy": .service { $0.service.externalPolicy = .cluster },
            "spec.internalTrafficPolicy": .service { $0.service.internalPolicy = .cluster },
            "spec.publishNotReadyAddresses": .service { $0.service.publishNotReadyAddresses = false },
            "spec.healthCheckNodePort": .service { $0.service.healthCheckNodePort = nil },
            "spec.loadBalancerSourceRanges": .service { $0.service.loadBalancerSourceRanges = [] },
            "spec.sessionAffinity": .service { $0.service.affinitySeconds = nil },
            "spec.sessionAffinityConfig": .service {
                $0.service.affinitySeconds = $0.service.affinitySeconds.map { _ in 0 }
            },
            "spec.selector": .service { $0.service.selector = nil },
            "status": .service { $0.service.ingress = [] },
            "status.loadBalancer.ingress[0]": .service {
                $0.service.ingress.removeAll { "\($0.address)" != "198.51.100.2" }
            },
            "status.loadBalancer.ingress[1]": .service {
                $0.service.ingress.removeAll { "\($0.address)" != "198.51.100.1" }
            },
        ]),
    WorthOfFields(
        kind: .slice,
        whole: .map([
            "metadata": .map([
                "name": .text("web-1"), "namespace": .text("shop"),
                "labels": .map(["kubernetes.io/service-name": .text("web")]),
                "annotations": .map(["endpoints.kubernetes.io/last-change-trigger-time": .text("2026-01-31T10:00:00Z")]
                ),
            ]),
            "addressType": .text("IPv4"),
            "ports": .list([
                .map(["name": .text("a"), "protocol": .text("TCP"), "port": .scalar("8080")]),
                .map(["name": .text("b"), "protocol": .text("UDP"), "port": .scalar("53")]),
            ]),
            "endpoints": .list([
                .map([
                    "addresses": .list([.text("10.244.0.1")]),
                    "conditions": .map([
                        "ready": .scalar("false"), "serving": .scalar("false"), "terminating": .scalar("true"),
                    ]), "nodeName": .text("node-a"), "zone": .text("z"), "hostname": .text("h"),
                    "targetRef": .map(["kind": .text("Pod"), "name": .text("web-a")]),
                    "hints": .map([
                        "forZones": .list([.map(["name": .text("z")])]),
                        "forNodes": .list([.map(["name": .text("n")])]),
                    ]),
                ]), .map(["addresses": .list([.text("10.244.0.2")])]),
            ]),
        ]),
        losses: [
            "metadata": .object,
            "metadata.labels": .slice {
                $0.labels = [:]
                $0.serviceName = ""
            },
            "metadata.annotations": .slice { $0.lastChangeTrigger = nil },
            "addressType": .object,
            "ports": .object,
            "ports[0]": .slice { $0.ports.removeAll { $0.name != "b" } },
            "ports[1]": .slice { $0.ports.removeAll { $0.name != "a" } },
            "endpoints": .object,
            "endpoints[0]": .slice {
                $0.endpoints.removeAll { "\($0.address)" != "10.244.0.2" }
                $0.hostnames = [:]
            },
            "endpoints[0].conditions": endpoint {
                $0.ready = true
                $0.serving = true
                $0.terminating = false
                $0 = $0.withoutPod
            },
            "endpoints[0].conditions.ready": endpoint {
                $0.ready = true
                $0 = $0.withoutPod
            },
            "endpoints[0].conditions.serving": endpoint { $0.serving = true },
            "endpoints[0].conditions.terminating": endpoint { $0.terminating = false },
            "endpoints[0].nodeName": endpoint { $0.nodeName = nil },
            "endpoints[0].zone": endpoint { $0.zone = nil },
            "endpoints[0].hostname": .slice { $0.hostnames = [:] },
            "endpoints[0].targetRef": endpoint { $0 = $0.withoutPod },
            "endpoints[0].hints": endpoint {
                $0.zoneHints = []
                $0.nodeHints = []
            },
            "endpoints[1]": .slice { $0.endpoints.removeAll { "\($0.address)" != "10.244.0.1" } },
        ]),
    WorthOfFields(
        kind: .endpoints,
        whole: .map([
            "metadata": .map(["name": .text("web"), "labels": .map(["a": .text("b")])]),
            "subsets": .list([
                .map([
                    "addresses": .list([
                        .map(["ip": .text("10.244.0.1"), "nodeName": .text("n"), "hostname": .text("h")]),
                        .map(["ip": .text("10.244.0.2")]),
                    ]), "notReadyAddresses": .list([.map(["ip": .text("10.244.0.3")])]),
                    "ports": .list([.map(["name": .text("a"), "port": .scalar("8080")])]),
                ]), .map(["addresses": .list([.map(["ip": .text("10.244.0.4")])])]),
            ]),
        ]),
        losses: [
            "metadata": .object,
            "metadata.labels": .nothing,
            "subsets": .object,
            "subsets[0]": .endpoints {
                $0.subsets.removeAll { "\($0.addresses.first?.address, default: "")" != "10.244.0.4" }
            },
            "subsets[0].addresses": .endpoints { $0.subsets[0].addresses.removeAll(where: \.isReady) },
            "subsets[0].addresses[0]": .endpoints {
                $0.subsets[0].addresses.removeAll { !["10.244.0.2", "10.244.0.3"].contains("\($0.address)") }
            },
            "subsets[0].addresses[0].nodeName": .endpoints { $0.subsets[0].addresses[0].nodeName = nil },
            "subsets[0].addresses[0].hostname": .endpoints { $0.subsets[0].addresses[0].hostname = nil },
            "subsets[0].addresses[1]": .endpoints {
                $0.subsets[0].addresses.removeAll { !["10.244.0.1", "10.244.0.3"].contains("\($0.address)") }
            },
            "subsets[0].notReadyAddresses": .endpoints { $0.subsets[0].addresses.removeAll { !$0.isReady } },
            "subsets[0].ports": .endpoints { $0.subsets[0].ports = [] },
            "subsets[1]": .endpoints { $0.subsets.removeSubrange(1...) },
        ]),
    WorthOfFields(
        kind: .pod,
        whole: .map([
            "metadata": .map(["name": .text("web-a"), "labels": .map(["app": .text("web")])]),
            "spec": .map([
                "nodeName": .text("n"), "hostname": .text("h"), "subdomain": .text("s"),
                "containers": .list([
                    .map([
                        "ports": .list([
                            .map(["name": .text("a"), "containerPort": .scalar("8080"), "protocol": .text("TCP")]),
                            .map(["name": .text("b"), "containerPort": .scalar("53"), "protocol": .text("UDP")]),
                        ])
                    ])
                ]),
                "initContainers": .list([
                    .map([
                        "restartPolicy": .text("Always"),
                        "ports": .list([.map(["name": .text("c"), "containerPort": .scalar("9")])]),
                    ])
                ]),
            ]),
            "status": .map([
                "phase": .text("Running"), "podIP": .text("10.244.0.1"),
                "podIPs": .list([.map(["ip": .text("10.244.0.1")]), .map(["ip": .text("fd00::1")])]),
                "conditions": .list([.map(["type": .text("Ready"), "status": .text("True")])]),
            ]),
        ]),
        losses: [
            "metadata": .object,
            "metadata.labels": .pod { $0.labels = [:] },
            "spec": .pod {
                $0.nodeName = nil
                $0.hostname = ""
                $0.subdomain = ""
                $0.ports = []
            },
            "spec.nodeName": .pod { $0.nodeName = nil },
            "spec.hostname": .pod { $0.hostname = "" },
            "spec.subdomain": .pod { $0.subdomain = "" },
            "spec.containers": .pod { $0.ports.removeAll { $0.name != "c" } },
            "spec.containers[0].ports[0]": .pod { $0.ports.removeAll { !["b", "c"].contains($0.name) } },
            "spec.containers[0].ports[1]": .pod { $0.ports.removeAll { !["a", "c"].contains($0.name) } },
            "spec.initContainers": .pod { $0.ports.removeAll { !["a", "b"].contains($0.name) } },
            "status": .pod {
                $0.addresses = []
                $0.isReady = false
            },
            "status.phase": .nothing,
            "status.podIP": .nothing,
            "status.podIPs": .pod { $0.addresses.removeAll { $0.family == .v6 } },
            "status.podIPs[0]": .pod { $0.addresses.removeAll { $0.family == .v4 } },
            "status.podIPs[1]": .pod { $0.addresses.removeAll { $0.family == .v6 } },
            "status.conditions": .pod { $0.isReady = false },
        ]),
    WorthOfFields(
        kind: .node,
        whole: .map([
            "metadata": .map(["name": .text("n"), "labels": .map(["topology.kubernetes.io/zone": .text("z")])]),
            "spec": .map([
                "podCIDR": .text("10.244.0.0/24"), "podCIDRs": .list([.text("10.244.0.0/24"), .text("fd00:1::/64")]),
                "taints": .list([.map(["key": .text("ToBeDeletedByClusterAutoscaler")])]),
            ]),
            "status": .map([
                "addresses": .list([
                    .map(["type": .text("InternalIP"), "address": .text("192.0.2.1")]),
                    .map(["type": .text("ExternalIP"), "address": .text("203.0.113.1")]),
                ])
            ]),
        ]),
        losses: [
            "metadata": .object,
            "metadata.labels": .node { $0.labels = [:] },
            "spec": .node {
                $0.podCIDRs = []
                $0.isTaintedForDeletion = false
            },
            "spec.podCIDR": .nothing,
            "spec.podCIDRs": .node { $0.podCIDRs.removeAll { $0.network.family == .v6 } },
            "spec.podCIDRs[0]": .node { $0.podCIDRs.removeAll { $0.network.family == .v4 } },
            "spec.taints": .node { $0.isTaintedForDeletion = false },
            "status": .node { $0.addresses = [] },
            "status.addresses[0]": .node { $0.addresses.removeAll { "\($0)" != "203.0.113.1" } },
            "status.addresses[1]": .node { $0.addresses.removeAll { "\($0)" != "192.0.2.1" } },
        ]),
]

private func endpoint(_ take: @escaping @Sendable (inout Endpoint) -> Void) -> Loss {
    .slice { take(&$0.endpoints[0]) }
}

extension Endpoint {
    fileprivate var withoutPod: Endpoint {
        Endpoint(
            address: address, ready: ready, serving: serving, terminating: terminating, nodeName: nodeName, zone: zone,
            zoneHints: zoneHints, nodeHints: nodeHints)
    }
}
