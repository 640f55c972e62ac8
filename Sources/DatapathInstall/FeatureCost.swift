package import BPFLoader

extension KernelFeature {
    /// What users notice where a kernel lacks the feature; nil if the socket datapath does not need it.
    package var costWhenMissing: String? {
        switch self {
        case .setReturnValueInSocketAddress:
            "a refused connect goes to a closed port of loopback to get ECONNREFUSED; a refused sendmsg, and a listener "
                + "on a NodePort, get EPERM"
        case .networkNamespaceCookie: "session affinity and loopback NodePorts do not work"
        case .networkNamespaceCookieOfSocket:
            "loopback NodePorts are served in the initial network namespace, also when swiftlet runs in another one"
        case .socketStorage: "unconnected UDP is not translated back"
        case .multipathSockets: "a multipath TCP socket shows the backend as its peer instead of the VIP"
        case .readableSockets: "a connect to a Service takes some 25 ns longer"
        case .coarseClock: "packets of known flows, and events for `swiftlet monitor`, take some 40 ns longer"
        case .connectionTracking:
            "a client's older direct connection to an endpoint may meet a new flow with the same ports"
        case .batchOperations: "maps are written one entry at a time: large updates take longer"
        case .runStatistics: "`bench connect` cannot tell the time of a program run"
        case .ringBuffer, .syscallPrograms, .tcx, .typeInformation: nil
        }
    }
}
