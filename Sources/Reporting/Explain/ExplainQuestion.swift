package import ServiceModel

/// What `swiftlet explain` is asked.
package struct ExplainQuestion: Sendable, Hashable {
    package enum Subject: Sendable, Hashable {
        case address(IPAddress, Port)
        /// A namespace of nil stands for any; the port is a name or a number, or nil for each of them. An address in place of a
        /// name stands for the Service whose it is.
        case service(namespace: String?, name: String, port: String?)

        /// What is asked of, where an address is written.
        package var address: IPAddress? {
            switch self {
            case .address(let address, _): address
            case .service(_, let name, _): IPAddress(name)
            }
        }
    }

    /// Where the client is.
    package enum Client: Sendable, Hashable {
        /// Any process or pod of this node.
        case node
        case pod(ObjectName)
        case process(Int32, command: String)
        case outside(IPAddress)

        package var isOutside: Bool { if case .outside = self { true } else { false } }
    }

    package var subject: Subject
    /// Nil for TCP where an address is asked, and for any where a Service is.
    package var proto: IPProtocol?
    package var client = Client.node

    package init(_ subject: Subject, proto: IPProtocol? = nil, client: Client = .node) {
        self.subject = subject
        self.proto = proto
        self.client = client
    }
}

extension ExplainQuestion.Subject {
    /// Reads `10.96.0.15:80`, `[fd00::15]:80`, an address alone or with a port's name, `NAME`, `NAME:PORT`, `NAMESPACE/NAME`,
    /// `NAMESPACE/NAME:PORT`, `svc/NAME` as kubectl takes it, names of DNS, with or without a port, and URLs of all these; nil for none of them.
    ///
    /// - Parameter namespace: stands where none is written; nil for any.
    package init?(_ text: String, namespace: String? = nil) {
        if let mark = text.firstRange(of: "://") {
            self.init("\(text[mark.upperBound...].prefix { !"/?#".contains($0) })", namespace: namespace)
            if let port = Self.port(ofScheme: text[..<mark.lowerBound].lowercased()) { ask(port) }
            return
        }
        if let (address, port) = Self.socketAddress(text) {
            self = .address(address, port)
            return
        }
        if let (address, port) = Self.addressAlone(text) {
            self = .service(namespace: nil, name: "\(address)", port: port)
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let last = parts.last else { return nil }
        let name = last.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let first = name.first, !first.isEmpty, parts.count == 1 || !parts[0].isEmpty else { return nil }
        let port = name.count == 2 ? name[1] : nil
        if parts.count == 1, let service = Self.service(ofName: first) {
            let label = first.first == "_" ? first.dropFirst().prefix { $0 != "." } : nil
            self = .service(
                namespace: service.namespace, name: service.name, port: port ?? label.map { $0.lowercased() })
            return
        }
        let isKind = parts.count == 2 && ["svc", "service", "services"].contains(parts[0])
        self = .service(
            namespace: parts.count == 2 && !isKind ? parts[0] : namespace, name: first, port: port)
    }

    private static func port(ofScheme scheme: String) -> Port? {
        switch scheme {
        case "http": Port(80)
        case "https": Port(443)
        default: nil
        }
    }

    /// Names a port where none is.
    private mutating func ask(_ port: Port) {
        guard case .service(let namespace, let name, nil) = self else { return }
        self = IPAddress(name).map { .address($0, port) } ?? .service(namespace: namespace, name: name, port: "\(port)")
    }

    /// The Service of a name in DNS: `NAME.NAMESPACE`, as pods' resolvers take it, or `NAME.NAMESPACE.svc`, perhaps with the
    /// cluster's domain behind it, and an endpoint's hostname or a port and its protocol in front.
    package static func service(ofName text: String) -> ObjectName? {
        let labels = text.lowercased().split(separator: ".").map(String.init)
        if labels.count == 2 { return ObjectName(namespace: labels[1], name: labels[0]) }
        // A Service or a namespace may have that name, too.
        guard let place = labels.indices.first(where: { $0 >= 2 && labels[$0] == "svc" }),
            place <= 3 || place == 4 && labels.prefix(2).allSatisfy({ $0.hasPrefix("_") })
        else { return nil }
        return ObjectName(namespace: labels[place - 1], name: labels[place - 2])
    }

    /// `10.96.0.15`, `fd00::15`, `[fd00::15]`, the first and the last also with a port that is no number.
    private static func addressAlone(_ text: String) -> (IPAddress, port: String?)? {
        if let address = IPAddress(text) { return (address, nil) }
        if text.hasPrefix("["), text.hasSuffix("]") {
            return IPAddress("\(text.dropFirst().dropLast())").map { ($0, nil) }
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return IPAddress(String(host)).map { ($0, "\(text[text.index(after: colon)...])") }
    }

    private static func socketAddress(_ text: String) -> (IPAddress, Port)? {
        guard let colon = text.lastIndex(of: ":"), let number = Int(text[text.index(after: colon)...]),
            let port = Port(number)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return IPAddress(String(host)).map { ($0, port) }
    }
}

extension ExplainQuestion.Subject {
    /// `10.96.0.10:53/UDP`, as frontends are printed: what is in front of the protocol, and that; nil where none is written.
    package static func parted(_ text: String) -> (text: String, proto: IPProtocol?) {
        guard let slash = text.lastIndex(of: "/"), text.firstRange(of: "://") == nil,
            let proto = IPProtocol(text[text.index(after: slash)...].uppercased()), text[..<slash].contains(":")
        else { return (text, nil) }
        return (String(text[..<slash]), proto)
    }

    /// Why a text is no question; nil where it is one.
    package static func complaint(about text: String) -> String? {
        let text = parted(text).text
        if text.firstRange(of: "://") != nil || IPAddress(text) != nil { return nil }
        if let mark = text.firstIndex(of: "%"),
            IPAddress(text[..<mark].trimmingPrefix { $0 == "[" }) != nil
        {
            return "\(text): a zone (\(text[mark...].prefix { !"]:".contains($0) })) cannot be used: no Service has a "
                + "link-local address"
        }
        guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") else { return nil }
        let port = text[text.index(after: colon)...]
        if port.isEmpty { return "\(text): write a port behind the colon, or leave that out" }
        let isNumber = port.allSatisfy { $0.isASCII && $0.isNumber }
        return isNumber && Int(port).flatMap({ Port($0) }) == nil ? "\(port) is no port: those are 1 to 65535" : nil
    }
}
