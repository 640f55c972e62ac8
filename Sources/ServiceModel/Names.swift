/// The namespace and name of a Kubernetes object.
package struct ObjectName: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var namespace: String
    package var name: String

    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { "\(namespace)/\(name)" }

    package static func < (left: ObjectName, right: ObjectName) -> Bool {
        (left.namespace, left.name) < (right.namespace, right.name)
    }
}

/// A port of a Service in one IP family: what a service id in the maps stands for.
///
/// Affinity, backends and counters are kept per service port and family (spec 34).
package struct ServicePortName: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var service: ObjectName
    /// The port's name, empty for the only port of a Service.
    package var port: String
    package var proto: IPProtocol
    package var family: IPFamily

    package init(service: ObjectName, port: String, proto: IPProtocol, family: IPFamily) {
        self.service = service
        self.port = port
        self.proto = proto
        self.family = family
    }

    package var description: String { port.isEmpty ? "\(service)" : "\(service):\(port)" }

    package static func < (left: ServicePortName, right: ServicePortName) -> Bool {
        (left.service, left.port, left.proto, left.family) < (right.service, right.port, right.proto, right.family)
    }
}

/// A transport protocol that a Service may have; the raw value is IANA's number.
package enum IPProtocol: UInt8, Sendable, Hashable, Comparable, CaseIterable, CustomStringConvertible {
    case tcp = 6
    case udp = 17
    case sctp = 132

    /// As Kubernetes writes it: `TCP`, `UDP`, `SCTP`.
    package init?(_ text: String) {
        switch text {
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "SCTP": self = .sctp
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .tcp: "TCP"
        case .udp: "UDP"
        case .sctp: "SCTP"
        }
    }

    package static func < (left: IPProtocol, right: IPProtocol) -> Bool { left.rawValue < right.rawValue }
}

/// A port number from 1 to 65535, in host order.
package struct Port: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let number: UInt16

    /// Nil for 0 and for what does not fit 16 bits.
    package init?(_ number: Int) {
        guard (1...65535).contains(number) else { return nil }
        self.number = UInt16(number)
    }

    package var description: String { "\(number)" }

    package static func < (left: Port, right: Port) -> Bool { left.number < right.number }
}
