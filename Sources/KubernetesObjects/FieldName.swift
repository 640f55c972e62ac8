/// The keys that are read of an object. All others can be skipped, since they cannot be asked for.
package enum FieldName: String, CaseIterable, Sendable {
    case address, addressType, addresses, annotations, apiVersion, clientIP, clusterIP, clusterIPs, code
    case conditionType, conditions, containerPort, containerStatuses, containers, `continue`, creationTimestamp,
        deletionTimestamp, details, endpoints,
        externalIPs
    case externalName, externalTrafficPolicy, forNodes, forZones, healthCheckNodePort, hints, hostPort, hostname,
        ingress
    case initContainerStatuses, initContainers, internalTrafficPolicy, ip, ipFamilies, ipMode, items, key, kind, labels,
        loadBalancer
    case loadBalancerSourceRanges, message, metadata, name, namespace, nodeName, nodePort, notReadyAddresses
    case object, ownerReferences, phase, podCIDR, podCIDRs, podIP, podIPs, port, ports, `protocol`,
        publishNotReadyAddresses, ready
    case readinessGates, reason, resourceVersion, restartPolicy, retryAfterSeconds, selector, serving, sessionAffinity
    case sessionAffinityConfig, spec, state, status, subdomain, subsets, taints, targetPort, targetRef, terminating,
        timeoutSeconds, type, waiting, zone

    /// The keys below it are the author's choice.
    package var hasFreeKeys: Bool {
        switch self {
        case .labels, .annotations, .selector: true
        default: false
        }
    }

    /// A reference to another object, of which only a few members are read.
    var isReference: Bool { self == .ownerReferences || self == .targetRef }

    /// The annotation that is kubectl's copy of the whole object: of no use here, and bigger than all the rest.
    static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
}

extension FieldName {
    /// Nil for a key that is not read.
    init?(_ key: UnsafeRawBufferPointer) {
        guard let found = FieldNames.all.find(key) else { return nil }
        self = found
    }
}

/// All the names, to be found by their bytes.
private struct FieldNames {
    /// All the bytes of a name of up to 24: those at the beginning, after these, and at the end.
    private struct Words: Equatable {
        var first: UInt64
        var middle: UInt64 = 0
        var last: UInt64 = 0

        init(_ bytes: UnsafeRawBufferPointer) {
            if bytes.count < 8 {
                first = bytes.reduce(0) { $0 << 8 | UInt64($1) }
                return
            }
            first = bytes.loadUnaligned(as: UInt64.self)
            last = bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self)
            if bytes.count > 16 { middle = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }
        }
    }

    static let all = FieldNames()

    /// Those of each length.
    private var candidates: [[(words: Words, name: FieldName)]] = []

    private init() {
        for name in FieldName.allCases {
            let bytes = Array(name.rawValue.utf8)
            precondition(bytes.count <= 24, "a longer name needs another word")
            while candidates.count <= bytes.count { candidates.append([]) }
            candidates[bytes.count].append((bytes.withUnsafeBytes { Words($0) }, name))
        }
    }

    func find(_ key: UnsafeRawBufferPointer) -> FieldName? {
        guard key.count < candidates.count, !candidates[key.count].isEmpty else { return nil }
        let words = Words(key)
        for candidate in candidates[key.count] where candidate.words == words { return candidate.name }
        return nil
    }
}
