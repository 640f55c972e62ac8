/// How long a flow that is translated at tc lives without a packet. Each time-out has the name that kube-proxy has for
/// it, or else Cilium's.
package struct FlowTimeouts: Codable, Sendable, Hashable {
    /// Both sides of a TCP connection have been heard.
    package var tcpEstablished = Duration.seconds(86_400)
    /// One side of it has said FIN.
    package var tcpCloseWait = Duration.seconds(3_600)
    /// The backend has not answered yet.
    package var tcpSYN = Duration.seconds(60)
    /// Both sides have said FIN: as long as the kernel's connection tracking keeps TIME_WAIT (spec 59).
    package var tcpFIN = Duration.seconds(120)
    /// No datagram has come back.
    package var udp = Duration.seconds(30)
    /// Datagrams go both ways.
    package var udpStream = Duration.seconds(120)
    /// SCTP.
    package var any = Duration.seconds(60)

    package init() {}

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case tcpEstablished, tcpCloseWait, tcpSYN, tcpFIN, udp, udpStream, any
    }

    private static func field(_ key: CodingKeys) -> WritableKeyPath<FlowTimeouts, Duration> {
        switch key {
        case .tcpEstablished: \.tcpEstablished
        case .tcpCloseWait: \.tcpCloseWait
        case .tcpSYN: \.tcpSYN
        case .tcpFIN: \.tcpFIN
        case .udp: \.udp
        case .udpStream: \.udpStream
        case .any: \.any
        }
    }

    /// In seconds.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        for key in CodingKeys.allCases {
            self[keyPath: Self.field(key)] = .seconds(try container.decode(Double.self, forKey: key))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        for key in CodingKeys.allCases {
            try container.encode(self[keyPath: Self.field(key)] / .seconds(1), forKey: key)
        }
    }

    /// One side has said RST: the kernel's time, too.
    package static let tcpReset = Duration.seconds(10)
}
