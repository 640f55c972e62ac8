import Glibc

/// An IP address and a port to listen on.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// Four or sixteen bytes, as they are written.
    let bytes: [UInt8]
    /// The address as text, without brackets.
    public let host: String
    /// 0 lets the kernel choose one.
    public let port: UInt16

    /// - Parameter host: an IPv4 or IPv6 address without brackets; nil if it is none.
    public init?(host: String, port: UInt16) {
        guard let bytes = Self.bytes(of: host) else { return nil }
        self.bytes = bytes
        self.host = host
        self.port = port
    }

    /// All addresses of the machine: `0.0.0.0` means those of IPv6 as well, as it does to kube-proxy.
    public var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    public var description: String { bytes.count == 4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    private static func bytes(of host: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, host, &bytes) == 1 { return Array(bytes.prefix(4)) }
        return inet_pton(AF_INET6, host, &bytes) == 1 ? bytes : nil
    }
}
