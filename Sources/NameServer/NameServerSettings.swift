import DNSMessage
package import ServiceModel
package import SystemPackage
import SystemCalls

/// How the name server listens.
package struct NameServerSettings: Sendable, Hashable {
    /// An address and a port of DNS.
    package struct Address: Sendable, Hashable, CustomStringConvertible {
        package var address: IPAddress
        package var port: UInt16

        package init(_ address: IPAddress, port: UInt16 = 53) {
            self.address = address
            self.port = port
        }

        /// `10.0.0.1`, `10.0.0.1:5353`, `fd00::1` or `[fd00::1]:5353`.
        package init?(_ text: String) {
            if let address = IPAddress(text) {
                self.init(address)
            } else {
                guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
                    port > 0
                else { return nil }
                var host = text[..<colon]
                if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
                guard let address = IPAddress(host) else { return nil }
                self.init(address, port: port)
            }
        }

        package var description: String { address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
    }

    /// Where it listens.
    package var bind: [Address]
    /// Names that are not its own are asked for elsewhere; if not, they are refused.
    package var forwards: Bool

    package init(bind: [Address], forwards: Bool = true) {
        self.bind = bind
        self.forwards = forwards
    }
}

extension NameServerSettings {
    /// Whether a text can be a domain that names of Services are below.
    package static func isDomain(_ text: String) -> Bool {
        guard let name = DomainName(text), !name.isRoot else { return false }
        return name.labels.allSatisfy { label in
            label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
        }
    }
}

/// What resolv.conf says of servers (resolv.conf(5)).
package enum ResolverFile {
    /// The first three `nameserver` lines, which is what glibc takes, without those that would lead back here.
    package static func servers(in text: String, except own: [NameServerSettings.Address]) -> [NameServerSettings
        .Address]
    {
        let named = text.split(whereSeparator: \.isNewline).compactMap { line -> NameServerSettings.Address? in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            // Link-local addresses, which have a zone, are passed over.
            return IPAddress(words[1]).map { NameServerSettings.Address($0) }
        }
        return Array(named.filter { !own.contains($0) }.prefix(3))
    }
}

extension ResolverFile {
    /// resolv.conf as it is now; nil where there is none, or none that can be read.
    package static func text(at path: FilePath = "/etc/resolv.conf") -> String? {
        try? SystemFile.text(of: path, atMost: mostBytes)
    }

    /// More than this is no list of servers.
    private static let mostBytes = 64 << 10
}
