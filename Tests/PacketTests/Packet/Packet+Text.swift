import NetworkLab

extension Packet: CustomStringConvertible {
    /// One line: `10.0.0.9:4000 → 192.0.2.1:30080 TCP [S]`, and what is unusual.
    var description: String {
        let ends = content.ports == nil ? "\(source.host) → \(destination.host)" : "\(source) → \(destination)"
        return ([ends, content.summary(family)] + remarks).joined(separator: " ")
    }

    private var remarks: [String] {
        var remarks = ethernet?.tags.map { "vlan \($0.vlan)" } ?? ["without Ethernet"]
        if let fragment = ip.fragment {
            remarks.append("fragment at \(fragment.offset)\(fragment.more ? "+" : "")")
        }
        if ip.checksumError != 0 { remarks.append("wrong IP checksum") }
        if content.hasWrongChecksum { remarks.append("wrong checksum") }
        return remarks
    }

    /// Every field by name, for a difference that a person can read.
    var fields: [(name: String, value: String)] {
        var fields: [(String, String)] = []
        if let ethernet {
            fields.append(("ethernet", "\(hex(ethernet.source)) → \(hex(ethernet.destination))"))
            fields.append(("tags", ethernet.tags.map { "\($0.vlan)/0x\(String($0.type, radix: 16))" }.text))
        } else {
            fields.append(("ethernet", "none"))
        }
        fields += ip.fields + content.fields(family)
        fields.append(("trailer", hex(trailer)))
        return fields
    }

    /// What differs from another packet, a line a field; empty if they are equal.
    func difference(from other: Packet) -> [String] {
        guard self != other else { return [] }
        let others = Dictionary(uniqueKeysWithValues: other.fields.map { ($0.name, $0.value) })
        let mine = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
        let names = fields.map(\.name) + other.fields.map(\.name).filter { mine[$0] == nil }
        return names.compactMap { name in
            let (here, there) = (mine[name] ?? "absent", others[name] ?? "absent")
            return here == there ? nil : "\(name): \(here), expected \(there)"
        }
    }
}

extension IPHeader {
    fileprivate var fields: [(name: String, value: String)] {
        var fields = [
            ("source", address(source)), ("destination", address(destination)), ("hops", "\(hops)"),
            ("traffic class", "\(trafficClass)"),
            ("fragment", fragment.map { "\($0.offset)\($0.more ? "+" : "") of \($0.identification)" } ?? "none"),
        ]
        switch family {
        case .v4:
            fields.append(("identification", "\(identification)"))
            fields.append(("don't fragment", "\(dontFragment)"))
            fields.append(("IP options", hex(options)))
            fields.append(("IP checksum", checksumError == 0 ? "right" : "off by \(checksumError)"))
        case .v6:
            fields.append(("flow label", "\(flowLabel)"))
            fields.append(("extensions", extensions.map { "\($0.number)=\(hex($0.body))" }.text))
        }
        return fields
    }
}

extension Packet.Content {
    fileprivate func summary(_ family: Family) -> String {
        switch self {
        case .tcp(let segment):
            "TCP [\(segment.flags.text)]" + (segment.payload.isEmpty ? "" : " \(segment.payload.count) bytes")
        case .udp(let datagram): "UDP \(datagram.payload.count) bytes" + (datagram.hasChecksum ? "" : " unchecked")
        case .sctp(let packet): "SCTP chunk \(packet.chunks.first.map(String.init) ?? "none")"
        case .icmp(let message): message.summary(family)
        case .bytes(let number, let bytes): "\(ProtocolNumber.name(number)) \(bytes.count) bytes"
        }
    }

    fileprivate var hasWrongChecksum: Bool {
        switch self {
        case .tcp(let segment): segment.checksumError != 0
        case .udp(let datagram): datagram.checksumError != 0
        case .sctp(let packet): packet.checksumError != 0
        case .icmp(let message): message.checksumError != 0
        case .bytes: false
        }
    }

    fileprivate func fields(_ family: Family) -> [(name: String, value: String)] {
        var fields = [("protocol", ProtocolNumber.name(protocolNumber(family)))]
        if let ports { fields.append(("ports", "\(ports.source) → \(ports.destination)")) }
        switch self {
        case .tcp(let segment):
            fields += [
                ("flags", "[\(segment.flags.text)]"), ("sequence", "\(segment.sequence)"),
                ("acknowledgement", "\(segment.acknowledgement)"), ("window", "\(segment.window)"),
                ("urgent", "\(segment.urgent)"), ("TCP options", hex(segment.options)),
                ("payload", hex(segment.payload)), ("checksum", judged(segment.checksumError)),
            ]
        case .udp(let datagram):
            let checksum = datagram.hasChecksum ? judged(datagram.checksumError) : "none"
            fields += [("payload", hex(datagram.payload)), ("checksum", checksum)]
        case .sctp(let packet):
            fields += [
                ("verification tag", "\(packet.verificationTag)"), ("payload", hex(packet.chunks)),
                ("checksum", judged(packet.checksumError)),
            ]
        case .icmp(let message): fields += message.fields(family)
        case .bytes(_, let bytes): fields.append(("payload", hex(bytes)))
        }
        return fields
    }
}

extension ICMPMessage {
    /// The packet that an error is about.
    func quoted(_ family: Family) -> Packet? {
        isError(family) ? try? Packet(quoted: body) : nil
    }

    func isError(_ family: Family) -> Bool { family == .v4 ? [3, 4, 5, 11, 12].contains(type) : type < 128 }

    fileprivate func summary(_ family: Family) -> String {
        let kind = "ICMP type \(type) code \(code)"
        guard isError(family) else { return "\(kind) id \(identifier)" }
        return "\(kind) about (\(quoted(family)?.description ?? hex(body)))"
    }

    fileprivate func fields(_ family: Family) -> [(name: String, value: String)] {
        var fields = [
            ("type", "\(type)"), ("code", "\(code)"), ("rest", "\(rest)"), ("checksum", judged(checksumError)),
        ]
        if let quoted = quoted(family) {
            fields += quoted.fields.map { ("quoted \($0.name)", $0.value) }
        }
        fields.append(("body", hex(body)))
        return fields
    }
}

private func judged(_ error: some BinaryInteger) -> String { error == 0 ? "right" : "off by \(error)" }

private func address(_ bytes: [UInt8]) -> String { SocketAddress(address: bytes, port: 0).host }

/// Bytes in hexadecimal; of many, the first and how many.
func hex(_ bytes: [UInt8]) -> String {
    let digits = bytes.prefix(40).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    return bytes.count > 40 ? "\(digits)… (\(bytes.count) bytes)" : digits
}

extension [String] {
    fileprivate var text: String { "[\(joined(separator: ", "))]" }
}
