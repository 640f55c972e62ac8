import Glibc
import SystemPackage

/// Something that a kernel has or lacks.
package enum KernelFeature: CaseIterable, Hashable, Sendable {
    case setReturnValueInSocketAddress
    case networkNamespaceCookie
    case networkNamespaceCookieOfSocket
    case socketStorage
    case multipathSockets
    case readableSockets
    case coarseClock
    case connectionTracking
    case batchOperations
    case ringBuffer
    case syscallPrograms
    case runStatistics
    case tcx
    case typeInformation

    /// What it is, for people who know BPF.
    package var name: String {
        switch self {
        case .setReturnValueInSocketAddress: "bpf_set_retval in connect, sendmsg and bind hooks"
        case .networkNamespaceCookie: "bpf_get_netns_cookie in connect and sendmsg hooks"
        case .networkNamespaceCookieOfSocket: "SO_NETNS_COOKIE"
        case .socketStorage: "socket storage in connect and sendmsg hooks"
        case .multipathSockets: "bpf_skc_to_mptcp_sock in connect hooks"
        case .readableSockets: "bpf_rdonly_cast"
        case .coarseClock: "bpf_jiffies64, on ticks of high-resolution timers"
        case .connectionTracking: "bpf_skb_ct_lookup in programs at tc"
        case .batchOperations: "map batch operations"
        case .ringBuffer: "ring buffer"
        case .syscallPrograms: "programs that run as a system call"
        case .runStatistics: "run statistics"
        case .tcx: "tcx links"
        case .typeInformation: "type information (BTF) of the kernel"
        }
    }

    /// The first kernel that has it. Distributions bring features to older ones, so this is for messages only: what
    /// counts is the probe.
    package var since: String {
        switch self {
        case .setReturnValueInSocketAddress: "6.1"
        case .networkNamespaceCookie: "5.7"
        case .networkNamespaceCookieOfSocket: "5.14"
        case .socketStorage: "5.3"
        case .multipathSockets: "5.19"
        case .readableSockets: "6.2"
        case .coarseClock: "5.6"
        case .connectionTracking: "5.18"
        case .batchOperations: "5.6"
        case .ringBuffer: "5.8"
        case .syscallPrograms: "5.14"
        case .runStatistics: "5.8"
        case .tcx: "6.6"
        case .typeInformation: "5.2"
        }
    }
}

/// What the running kernel has, found out by trying each thing.
package struct KernelFeatures: Hashable, Sendable {
    /// The kernel's release, as `uname -r` prints it.
    package let release: String
    /// The features that were found.
    package let present: Set<KernelFeature>

    /// Tries every feature. Leaves nothing behind; throws only if the caller may not try.
    package static func probe() throws(BPFError) -> KernelFeatures {
        // Without rights every probe would answer "no", which is not true.
        _ = try BPFMap.create(.array, name: "probe_rights", keySize: 4, valueSize: 4, maxEntries: 1)
        try KernelProbe.checkRightToLoad()
        var present: Set<KernelFeature> = []
        for feature in KernelFeature.allCases where KernelProbe.has(feature) {
            present.insert(feature)
        }
        return KernelFeatures(release: kernelRelease(), present: present)
    }

    /// The features that were not found, in the order of `KernelFeature`.
    package var missing: [KernelFeature] { KernelFeature.allCases.filter { !present.contains($0) } }

    /// Whether the kernel has a feature.
    package func has(_ feature: KernelFeature) -> Bool { present.contains(feature) }
}

/// The kernel's release, as `uname -r` prints it.
package func kernelRelease() -> String {
    var names = utsname()
    return uname(&names) == 0 ? text(of: names.release) : "unknown"
}
