/// The namespace and name of a Kubernetes object.
public struct ObjectName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    public var name: String

    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    public var description: String { "\(namespace)/\(name)" }

    public static func < (left: ObjectName, right: ObjectName) -> Bool {
        (left.namespace, left.name) < (right.namespace, right.name)
    }
}

/// A port of a Service in one IP family: what a service id in the maps stands for.
///
/// Affinity, backends and counters are kept per service port and family (spec 34).
public struct ServicePortName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var service: ObjectName
    /// The port's name, empty for the only port of a Service.
    public var port: String
    public var proto: IPProtocol
    public var family: IPFamily

    public init(service: ObjectName, port: String, proto: IPProtocol, family: IPFamily) {
        self.service = service
        self.port = port
        self.proto = proto
        self.family = family
    }

    public var description: String { port.isEmpty ? "\(service)" : "\(service):\(port)" }

    public static func < (left: ServicePortName, right: ServicePortName) -> Bool {
        (left.service, left.port, left.proto, left.family) < (right.service, right.port, right.proto, right.family)
    }
}

/// A transport protocol that a Service may have; the raw value is IANA's number.
public enum IPProtocol: UInt8, Sendable, Hashable, Comparable, CaseIterable, CustomStringConvertible {
    case tcp = 6
    case udp = 17
    case sctp = 132

    /// As Kubernetes writes it: `TCP`, `UDP`, `SCTP`.
    public init?(_ text: String) {
        switch text {
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "SCTP": self = .sctp
        default: return nil
        }
    }

    public var description: String {
        switch self {
        case .tcp: "TCP"
        case .udp: "UDP"
        case .sctp: "SCTP"
        }
    }

    public static func < (left: IPProtocol, right: IPProtocol) -> Bool { left.rawValue < right.rawValue }
}

/// A port number from 1 to 65535, in host order.
public struct Port: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let number: UInt16

    /// Nil for 0 and for what does not fit 16 bits.
    public init?(_ number: Int) {
        guard (1...65535).contains(number) else { return nil }
        self.number = UInt16(number)
    }

    public var description: String { "\(number)" }

    public static func < (left: Port, right: Port) -> Bool { left.number < right.number }
}
