internal import CDatapath
package import ServiceModel

/// What became of a connect, a send, a bind, a packet or a flow, as the datapath tells it.
package struct DatapathEvent: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable, Codable {
        case connect, send, bind, packet
        /// A flow that began at tc, or one of its packets that was refused there.
        case flow
    }

    /// The calling process.
    package struct Caller: Sendable, Hashable {
        package var pid: Int32
        /// Its name, cut at 15 bytes.
        package var command: String
    }

    /// Since the machine was started (CLOCK_MONOTONIC).
    package var time: Duration
    package var kind: Kind
    /// The name of its counter, in lower case: `forward`, `refuse_no_backend`.
    package var reason: String
    package var isRefusal: Bool
    /// Nil for packets and flows.
    package var caller: Caller?
    /// Of the process or of the packet's socket: the number of the cgroup's directory. Nil if the listener did not ask.
    package var cgroup: UInt64?
    /// Whose packet or flow it is; nil for calls.
    package var client: Endpoint?
    /// The index of the packet's device, in the network namespace where it was seen: the node's for a flow.
    package var device: UInt32?
    /// Nil if no service port has to do with it: a port that an address does not serve.
    package var service: ServiceID?
    package var proto: IPProtocol
    /// What was asked for; nil for a packet whose socket does not tell any more.
    package var vip: Endpoint?
    /// Nil if none was chosen.
    package var backend: Endpoint?
    package var backendID: BackendID?

    /// An address and a port, which may be 0.
    package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
        package var address: IPAddress
        package var port: UInt16

        package init(address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }

        /// `10.96.0.15:80`, an IPv6 address in brackets.
        package var description: String { address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
    }
}

extension DatapathEvent {
    /// Nil for what this version does not know.
    init?(_ event: event) {
        guard let kind = event.kind.decoded, let proto = event.protocol.decoded,
            let name = lb_counter_name(event.reason)
        else { return nil }
        time = .nanoseconds(Int64(clamping: event.time))
        self.kind = kind
        self.proto = proto
        reason = String(cString: name).lowercased()
        isRefusal =
            event.reason >= COUNT_REFUSE_NO_BACKEND.rawValue
            && ![COUNT_FLOW_BEGUN, COUNT_FLOW_RENAMED].map(\.rawValue).contains(event.reason)
        vip = Self.endpoint(event.vip, event.vip_port)
        cgroup = event.cgroup == 0 ? nil : event.cgroup
        if kind == .packet || kind == .flow {
            client = Self.endpoint(event.client, event.client_port)
            device = event.ifindex
        } else {
            caller = Caller(pid: Int32(clamping: event.pid), command: FixedText.load(event.command))
        }
        service = event.service_id == 0 ? nil : ServiceID(event.service_id)
        backend = Self.endpoint(event.backend, event.backend_port)
        backendID = event.backend_id == 0 ? nil : BackendID(event.backend_id)
    }

    /// Of 16 bytes in IPv6 form; nil if all is zero.
    private static func endpoint<Field: BitwiseCopyable>(_ field: Field, _ port: UInt16) -> Endpoint? {
        withUnsafeBytes(of: field) { bytes in
            let high = bytes.loadUnaligned(as: UInt64.self).bigEndian
            let low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
            guard high != 0 || low != 0 || port != 0 else { return nil }
            let isMapped = high == 0 && low >> 32 == 0xffff
            return Endpoint(
                address: isMapped ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : IPAddress(v6: high, low),
                port: port)
        }
    }
}

extension event_kind {
    fileprivate var decoded: DatapathEvent.Kind? {
        switch self {
        case EVENT_CONNECT: .connect
        case EVENT_SEND: .send
        case EVENT_BIND: .bind
        case EVENT_PACKET: .packet
        case EVENT_FLOW: .flow
        default: nil
        }
    }
}
