/// The keys that are read of an object. All others can be passed over, since nobody is able to ask for them.
package enum FieldName: String, CaseIterable, Sendable {
    case address, addressType, addresses, annotations, apiVersion, clientIP, clusterIP, clusterIPs, code
    case conditions, containerPort, containers, `continue`, deletionTimestamp, details, endpoints, externalIPs
    case externalName, externalTrafficPolicy, forNodes, forZones, healthCheckNodePort, hints, ingress
    case initContainers, internalTrafficPolicy, ip, ipFamilies, ipMode, items, key, kind, labels, loadBalancer
    case loadBalancerSourceRanges, message, metadata, name, namespace, nodeName, nodePort, notReadyAddresses
    case object, phase, podCIDR, podCIDRs, podIP, podIPs, port, ports, `protocol`, publishNotReadyAddresses, ready
    case reason, resourceVersion, restartPolicy, retryAfterSeconds, selector, serving, sessionAffinity
    case sessionAffinityConfig, spec, status, subsets, taints, targetPort, terminating, timeoutSeconds, type, zone

    /// The keys below it are anybody's choice.
    package var hasFreeKeys: Bool {
        switch self {
        case .labels, .annotations, .selector: true
        default: false
        }
    }

    /// The annotation that is kubectl's copy of the whole object: of no use here, and bigger than all the rest.
    static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
}

extension FieldName {
    /// Nil for a key that nobody reads.
    init?(_ key: UnsafeRawBufferPointer) {
        self.init(rawValue: String(decoding: key, as: UTF8.self))
    }
}
