/// Unknown names of fields and kinds, and those that were probably meant. An API server would refuse or drop them
/// with a warning; a directory of manifests has none.
extension Field {
    /// What objects have beside the names that are read. What is below them is not looked at.
    private static let unread: Set<String> = [
        "allocateLoadBalancerNodePorts", "appProtocol", "clusterName", "deletionGracePeriodSeconds",
        "deprecatedTopology", "error", "finalizers", "generateName", "generation", "ipFamilyPolicy",
        "lastTransitionTime", "loadBalancerClass", "loadBalancerIP", "managedFields", "observedGeneration",
        "ownerReferences", "selfLink", "targetRef", "topology", "trafficDistribution", "uid",
    ]
    private static let known = FieldName.allCases.map(\.rawValue) + unread

    /// What stands below a field of a Service, an EndpointSlice or an Endpoints object.
    private static let levels: [FieldName: [String]] = [
        .metadata: [
            "annotations", "clusterName", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
            "finalizers", "generateName", "generation", "labels", "managedFields", "name", "namespace",
            "ownerReferences", "resourceVersion", "selfLink", "uid",
        ],
        .spec: [
            "allocateLoadBalancerNodePorts", "clusterIP", "clusterIPs", "externalIPs", "externalName",
            "externalTrafficPolicy", "healthCheckNodePort", "internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy",
            "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges", "ports", "publishNotReadyAddresses",
            "selector", "sessionAffinity", "sessionAffinityConfig", "trafficDistribution", "type",
        ],
        .ports: ["appProtocol", "error", "name", "nodePort", "port", "protocol", "targetPort"],
        .sessionAffinityConfig: ["clientIP"],
        .clientIP: ["timeoutSeconds"],
        .status: ["conditions", "loadBalancer"],
        .loadBalancer: ["ingress"],
        .ingress: ["hostname", "ip", "ipMode", "ports"],
        .endpoints: [
            "addresses", "conditions", "deprecatedTopology", "hints", "hostname", "nodeName", "targetRef", "zone",
        ],
        .conditions: [
            "lastTransitionTime", "message", "observedGeneration", "ready", "reason", "serving", "status",
            "terminating", "type",
        ],
        .hints: ["forNodes", "forZones"],
        .forZones: ["name"],
        .forNodes: ["name"],
        .subsets: ["addresses", "notReadyAddresses", "ports"],
        .addresses: ["hostname", "ip", "nodeName", "targetRef"],
        .notReadyAddresses: ["hostname", "ip", "nodeName", "targetRef"],
    ]
    private static let top = [
        "addressType", "apiVersion", "endpoints", "kind", "metadata", "ports", "spec", "status", "subsets",
    ]

    /// Each field that is none of Kubernetes', as its path and the advice what to write, a few of them.
    package func unknownFields(atMost most: Int = 5) -> [(path: String, advice: String)] {
        var found: [(path: String, advice: String)] = []
        var rest: [(field: Field, names: [String])] = [(self, Self.top)]
        while let (field, names) = rest.popLast(), found.count < most {
            for member in field.memberKeys {
                if let name = member.name {
                    if name.hasFreeKeys || name.isReference { continue }
                    rest.append((member.value, Self.levels[name] ?? Self.known))
                } else if !Self.unread.contains(member.text), found.count < most {
                    let advice = names.nearest(to: member.text).map { "write \($0)" } ?? "remove it"
                    found.append((member.path, advice))
                }
            }
        }
        return found.sorted { $0.path < $1.path }
    }
}

/// What a Service says of how its endpoints are to be chosen, which only the writer of its slices reads.
package enum TopologyWords {
    private static let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"]
    private static let modes = ["Auto", "auto", "Disabled", "disabled"]
    private static let annotations = ["topology-mode", "topology-aware-hints"].map { "service.kubernetes.io/\($0)" }

    /// Words that are none of those that are known. Modes with a domain belong to other controllers.
    package static func unknown(in service: Field) -> [(path: String, word: String, advice: String)] {
        var found: [(path: String, word: String, advice: String)] = []
        if let field = service[.spec]?["trafficDistribution"], !field.isBlank, let word = field.text,
            !distributions.contains(word)
        {
            found.append(("spec.trafficDistribution", word, "write \(alternatives(distributions))"))
        }
        for key in annotations {
            guard let field = service[.metadata]?[.annotations]?[key], !field.isBlank, let word = field.text,
                !modes.contains(word), !word.contains("/")
            else { continue }
            found.append(("metadata.annotations[\(key)]", word, "write Auto or Disabled"))
        }
        return found
    }
}

extension ObjectKind {
    /// A kind that was probably meant, and what is wrong with how it is written.
    package struct Mistake {
        package var meant: ObjectKind
        package var cause: String
        package var advice: String
    }

    /// What is wrong with a kind that is none of these and was probably meant to be one; nil if it is of another API.
    package static func mistake(apiVersion: String, kind: String) -> Mistake? {
        func group(_ version: String) -> String { version.contains("/") ? "\(version.prefix { $0 != "/" })" : "" }
        let written = group(apiVersion)
        if let meant = allCases.first(where: { $0.word == kind }) {
            let own = group(meant.apiVersion)
            guard written == own || written.isEmpty || [own].nearest(to: written) != nil else { return nil }
            return Mistake(
                meant: meant, cause: "apiVersion is \(apiVersion), which has no \(kind)",
                advice: "write \(meant.apiVersion)")
        }
        guard let word = allCases.map(\.word).nearest(to: kind), let meant = allCases.first(where: { $0.word == word }),
            written == group(meant.apiVersion)
        else { return nil }
        return Mistake(meant: meant, cause: "kind is \(kind), which is none", advice: "write \(word)")
    }
}
