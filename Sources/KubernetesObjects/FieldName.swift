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
        guard let found = FieldNames.all.find(key) else { return nil }
        self = found
    }
}

/// All the names, to be found by their bytes.
private struct FieldNames {
    /// Those of one length, by the first eight bytes, which tell nearly all of them apart.
    private struct Candidate {
        var head: UInt64
        var name: FieldName
    }

    static let all = FieldNames()

    private var candidates: [[Candidate]] = []

    private init() {
        for name in FieldName.allCases {
            let bytes = Array(name.rawValue.utf8)
            while candidates.count <= bytes.count { candidates.append([]) }
            let head = bytes.withUnsafeBytes { Self.head($0) }
            candidates[bytes.count].append(Candidate(head: head, name: name))
        }
    }

    func find(_ key: UnsafeRawBufferPointer) -> FieldName? {
        guard key.count < candidates.count, !candidates[key.count].isEmpty else { return nil }
        let head = Self.head(key)
        for candidate in candidates[key.count] where candidate.head == head {
            if key.count <= 8 || candidate.name.rawValue.utf8.elementsEqual(key) { return candidate.name }
        }
        return nil
    }

    private static func head(_ key: UnsafeRawBufferPointer) -> UInt64 {
        if key.count >= 8 { return key.loadUnaligned(as: UInt64.self) }
        return key.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
