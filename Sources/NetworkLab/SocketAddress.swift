package import Glibc

/// An IPv4 or IPv6 address with a port, as `10.96.0.15:80` and `[fd00::15]:80`.
package struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// Four or sixteen bytes, as they are written.
    package let address: [UInt8]
    package let port: UInt16

    package var isV4: Bool { address.count == 4 }

    package init(address: [UInt8], port: UInt16) {
        precondition(address.count == 4 || address.count == 16, "an address has four or sixteen bytes")
        self.address = address
        self.port = port
    }

    /// Parses an address without a port: `10.0.0.1`, `fd00::1` or `[fd00::1]`.
    package init?(host: String, port: UInt16) {
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, bare, &v4) == 1 {
            self.init(address: withUnsafeBytes(of: v4) { Array($0) }, port: port)
        } else if inet_pton(AF_INET6, bare, &v6) == 1 {
            self.init(address: withUnsafeBytes(of: v6) { Array($0) }, port: port)
        } else {
            return nil
        }
    }

    /// Parses `10.96.0.15:80` or `[fd00::15]:80`.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = String(text[..<colon])
        if host.contains(":") && !host.hasPrefix("[") { return nil }
        self.init(host: host, port: port)
    }

    package var host: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(isV4 ? AF_INET : AF_INET6, address, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    package var description: String { isV4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    private static let mappedPrefix = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]

    /// An IPv4 address as IPv6 sockets see it: `::ffff:10.96.0.15`.
    package var mapped: SocketAddress {
        isV4 ? SocketAddress(address: Self.mappedPrefix + address, port: port) : self
    }

    /// The IPv4 address behind a mapped one.
    package var unmapped: SocketAddress {
        guard !isV4, address.starts(with: Self.mappedPrefix) else { return self }
        return SocketAddress(address: Array(address[12...]), port: port)
    }
}

// MARK: - The kernel's form

extension SocketAddress {
    init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch CInt(storage.ss_family) {
        case AF_INET:
            self = withUnsafeBytes(of: &storage) { raw in
                let inet = raw.loadUnaligned(as: sockaddr_in.self)
                return SocketAddress(
                    address: withUnsafeBytes(of: inet.sin_addr) { Array($0) }, port: UInt16(bigEndian: inet.sin_port))
            }
        case AF_INET6:
            self = withUnsafeBytes(of: &storage) { raw in
                let inet = raw.loadUnaligned(as: sockaddr_in6.self)
                return SocketAddress(
                    address: withUnsafeBytes(of: inet.sin6_addr) { Array($0) }, port: UInt16(bigEndian: inet.sin6_port))
            }
        default: return nil
        }
    }

    /// The form that socket calls take, made once so that a loop of connects pays nothing for it.
    package var storage: sockaddr_storage {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { raw in
            if isV4 {
                var inet = sockaddr_in()
                inet.sin_family = sa_family_t(AF_INET)
                inet.sin_port = port.bigEndian
                withUnsafeMutableBytes(of: &inet.sin_addr) { $0.copyBytes(from: address) }
                raw.storeBytes(of: inet, as: sockaddr_in.self)
            } else {
                var inet = sockaddr_in6()
                inet.sin6_family = sa_family_t(AF_INET6)
                inet.sin6_port = port.bigEndian
                withUnsafeMutableBytes(of: &inet.sin6_addr) { $0.copyBytes(from: address) }
                raw.storeBytes(of: inet, as: sockaddr_in6.self)
            }
        }
        return storage
    }

    package var storageLength: socklen_t {
        socklen_t(isV4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
    }
}
