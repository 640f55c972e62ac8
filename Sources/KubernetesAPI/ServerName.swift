import NIOCore
import NIOSSL
import ServiceModel

/// What an API server's certificate must be issued for: the name or the address that it was configured with (RFC 6125), and
/// never the address that a connection happens to lead to, which a DNS server chooses.
enum ServerName: Sendable, Hashable, CustomStringConvertible {
    case name(String)
    case address(IPAddress)

    init(_ text: String) {
        if let address = IPAddress(text) {
            self = .address(address)
        } else {
            let lower = text.lowercased()
            self = .name(lower.hasSuffix(".") ? String(lower.dropLast()) : lower)
        }
    }

    var description: String {
        switch self {
        case .name(let name): name
        case .address(let address): "\(address)"
        }
    }

    /// Whether one of the names for which a certificate was made is this one. A `*` stands for the whole first label of a
    /// name, and for one label only.
    func matches(_ made: ServerName) -> Bool {
        guard case .name(let name) = self, case .name(let pattern) = made, pattern.hasPrefix("*.") else {
            return self == made
        }
        guard let dot = name.firstIndex(of: "."), dot > name.startIndex else { return false }
        return name[dot...] == pattern.dropFirst()
    }

    /// Those that stand in a certificate. Its subject's common name is none of them.
    static func all(in certificate: NIOSSLCertificate) -> [ServerName] {
        certificate._subjectAlternativeNames().compactMap { name in
            let bytes = name.contents.withUnsafeBufferPointer { Array($0) }
            switch name.nameType {
            case .dnsName: return String(validating: bytes, as: UTF8.self).map { ServerName($0) }.flatMap(\.asName)
            case .ipAddress: return IPAddress(networkOrder: bytes).map { .address($0) }
            default: return nil
            }
        }
    }

    /// A DNS name that reads like an address is no address.
    private var asName: ServerName? { if case .name = self { self } else { nil } }

    /// Fails, and closes the connection, if its peer's certificate is for another name.
    func check(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.nioSSL_peerCertificate().flatMapThrowing { certificate in
            let names = certificate.map { Self.all(in: $0) } ?? []
            guard names.contains(where: matches) else { throw OtherServer(wanted: self, names: names) }
        }
        .flatMapError { error in
            channel.close().recover { _ in }.flatMapThrowing { throw error }
        }
    }
}

/// The certificate of an API server is another one's.
struct OtherServer: Error, CustomStringConvertible {
    var wanted: ServerName
    var names: [ServerName]

    var description: String {
        let shown = names.isEmpty ? "no name" : names.prefix(5).map { "\($0)" }.joined(separator: ", ")
        return "its certificate is for \(shown), not for \(wanted)"
    }
}

extension IPAddress {
    /// The four or sixteen bytes of an address as a certificate has them.
    fileprivate init?(networkOrder bytes: [UInt8]) {
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self.init(v4: UInt32(truncatingIfNeeded: number(bytes[...])))
        case 16: self.init(v6: number(bytes[..<8]), number(bytes[8...]))
        default: return nil
        }
    }
}
