package import CDatapath
package import Settings

extension FlowTimeouts {
    /// How long a flow lives without a packet, as the programs at tc have it.
    package func lifetime(_ proto: ip_protocol, _ state: flow_state, isHalfClosed: Bool) -> Duration {
        switch (proto, state) {
        case (TCP, FLOW_CLOSING): tcpFIN
        case (TCP, FLOW_RESET): Self.tcpReset
        case (TCP, FLOW_NEW), (TCP, FLOW_ANSWERED): tcpSYN
        case (TCP, _): isHalfClosed ? tcpCloseWait : tcpEstablished
        case (UDP, FLOW_NEW), (UDP, FLOW_ANSWERED): udp
        case (UDP, _): udpStream
        default: any
        }
    }
}

extension tc_config {
    /// The programs count in whole seconds: a part of one lasts until the next.
    mutating func set(_ timeouts: FlowTimeouts) {
        tcp_seconds = Self.seconds(timeouts.tcpEstablished)
        tcp_close_wait_seconds = Self.seconds(timeouts.tcpCloseWait)
        tcp_new_seconds = Self.seconds(timeouts.tcpSYN)
        tcp_closing_seconds = Self.seconds(timeouts.tcpFIN)
        tcp_reset_seconds = Self.seconds(FlowTimeouts.tcpReset)
        udp_seconds = Self.seconds(timeouts.udp)
        udp_stream_seconds = Self.seconds(timeouts.udpStream)
        other_seconds = Self.seconds(timeouts.any)
    }

    private static func seconds(_ span: Duration) -> UInt32 {
        UInt32(clamping: span.components.seconds + (span.components.attoseconds > 0 ? 1 : 0))
    }
}
