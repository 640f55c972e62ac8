import Glibc

/// An IP address and a port to listen on.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// Four or sixteen bytes, as they are written.
    let bytes: [UInt8]
    /// The address as text, without brackets.
    package let host: String
    /// 0 lets the kernel choose one.
    package let port: UInt16

    /// - Parameter host: an IPv4 or IPv6 address without brackets; nil if it is none.
    package init?(host: String, port: UInt16) {
        guard let bytes = Self.bytes(of: host) else { return nil }
        self.bytes = bytes
        self.host = host
        self.port = port
    }

    /// Reads what the bind address flags take: `0.0.0.0:10256`, `[::]:10256`, or an address alone.
    /// - Returns: nil for an empty text, which means not to listen.
    package static func parse(_ text: String, defaultPort: UInt16) throws(ListenAddressError) -> ListenAddress? {
        if text.isEmpty { return nil }
        if let alone = ListenAddress(host: unbracketed(text), port: defaultPort) { return alone }
        guard let colon = text.lastIndex(of: ":") else {
            throw ListenAddressError(text, "\"\(text)\" is not an IP address")
        }
        let (host, portText) = (text[..<colon], text[text.index(after: colon)...])
        guard let port = UInt16(portText), port > 0 else {
            throw ListenAddressError(text, "\"\(portText)\" is not a port from 1 to 65535")
        }
        guard !host.contains(":") || (host.hasPrefix("[") && host.hasSuffix("]")) else {
            throw ListenAddressError(text, "an IPv6 address with a port needs brackets")
        }
        guard let address = ListenAddress(host: unbracketed(String(host)), port: port) else {
            throw ListenAddressError(text, "\"\(host)\" is not an IP address")
        }
        return address
    }

    /// All addresses of the machine: `0.0.0.0` means those of IPv6 as well, as it does to kube-proxy.
    package var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    package var description: String { bytes.count == 4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    private static func unbracketed(_ text: String) -> String {
        text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
    }

    private static func bytes(of host: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, host, &bytes) == 1 { return Array(bytes.prefix(4)) }
        return inet_pton(AF_INET6, host, &bytes) == 1 ? bytes : nil
    }
}

/// A bind address that cannot be understood.
package struct ListenAddressError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    init(_ text: String, _ cause: String) {
        description =
            "cannot listen on \"\(text)\": \(cause); write IP:PORT like 0.0.0.0:10256 or [::]:10256, "
            + "or nothing to switch it off"
    }
}
