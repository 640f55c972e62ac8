extension Packet {
    /// The packet on the wire.
    var bytes: [UInt8] { (ethernet?.bytes(family) ?? []) + ip.bytes(around: content) + trailer }
}

extension Ethernet {
    fileprivate func bytes(_ family: Family) -> [UInt8] {
        var bytes = destination + source
        for tag in tags {
            bytes.append16(tag.type)
            bytes.append16(tag.vlan)
        }
        bytes.append16(family.etherType)
        return bytes
    }
}

extension IPHeader {
    fileprivate func bytes(around content: Packet.Content) -> [UInt8] {
        let inner = content.bytes(self)
        switch family {
        case .v4: return v4(around: inner, content.protocolNumber(family))
        case .v6: return v6(around: inner, content.protocolNumber(family))
        }
    }

    private func v4(around inner: [UInt8], _ number: UInt8) -> [UInt8] {
        precondition(options.count % 4 == 0 && options.count <= 40, "IPv4 options are at most ten words")
        let length = 20 + options.count
        var bytes: [UInt8] = [0x40 | UInt8(length / 4), trafficClass]
        bytes.append16(UInt16(length + inner.count))
        bytes.append16(identification)
        let part = fragment ?? Fragment(offset: 0, more: false)
        bytes.append16((dontFragment ? 0x4000 : 0) | (part.more ? 0x2000 : 0) | UInt16(part.offset / 8))
        bytes += [hops, number, 0, 0] + source + destination + options
        var checksum = InternetChecksum()
        checksum.add(bytes)
        bytes.store(InternetChecksum.sum(checksum.value, checksumError), at: 10)
        return bytes + inner
    }

    private func v6(around inner: [UInt8], _ number: UInt8) -> [UInt8] {
        let numbers = extensions.map(\.number) + (fragment == nil ? [] : [ProtocolNumber.fragment]) + [number]
        var headers: [UInt8] = []
        for (header, next) in zip(extensions, numbers.dropFirst()) {
            precondition(header.body.count % 8 == 6, "an extension header is n times eight bytes")
            headers += [next, UInt8(header.body.count / 8)] + header.body
        }
        if let fragment {
            headers += [number, 0]
            headers.append16(UInt16(fragment.offset) | (fragment.more ? 1 : 0))
            headers.append32(fragment.identification)
        }
        var bytes: [UInt8] = []
        bytes.append32(6 << 28 | UInt32(trafficClass) << 20 | flowLabel)
        bytes.append16(UInt16(headers.count + inner.count))
        bytes += [numbers.first ?? number, hops] + source + destination
        return bytes + headers + inner
    }
}

extension Packet.Content {
    /// The transport header and what it carries, with a checksum for the given addresses.
    func bytes(_ ip: IPHeader) -> [UInt8] {
        switch self {
        case .tcp(let segment): segment.bytes(ip)
        case .udp(let datagram): datagram.bytes(ip)
        case .sctp(let packet): packet.bytes
        case .icmp(let message): message.bytes(ip)
        case .bytes(_, let bytes): bytes
        }
    }
}

extension TCPSegment {
    fileprivate func bytes(_ ip: IPHeader) -> [UInt8] {
        precondition(options.count % 4 == 0 && options.count <= 40, "TCP options are at most ten words")
        var bytes: [UInt8] = []
        bytes.append16(sourcePort)
        bytes.append16(destinationPort)
        bytes.append32(sequence)
        bytes.append32(acknowledgement)
        bytes += [UInt8((20 + options.count) / 4) << 4, flags.rawValue]
        bytes.append16(window)
        bytes.append16(0)
        bytes.append16(urgent)
        bytes += options + payload
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(ip, ProtocolNumber.tcp, length: bytes.count)
        checksum.add(bytes)
        bytes.store(InternetChecksum.sum(checksum.value, checksumError), at: 16)
        return bytes
    }
}

extension UDPDatagram {
    fileprivate func bytes(_ ip: IPHeader) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append16(sourcePort)
        bytes.append16(destinationPort)
        bytes.append16(UInt16(8 + payload.count))
        bytes.append16(0)
        bytes += payload
        guard hasChecksum else { return bytes }
        var checksum = InternetChecksum()
        checksum.addPseudoHeader(ip, ProtocolNumber.udp, length: bytes.count)
        checksum.add(bytes)
        let value = InternetChecksum.sum(checksum.value, checksumError)
        // A zero would say that there is none.
        bytes.store(value == 0 ? 0xffff : value, at: 6)
        return bytes
    }
}

extension SCTPPacket {
    fileprivate var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append16(sourcePort)
        bytes.append16(destinationPort)
        bytes.append32(verificationTag)
        bytes.append32(0)
        bytes += chunks
        // The one field of the Internet that is written with its low byte first.
        let checksum = CRC32C.of(bytes) ^ checksumError
        for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * index)) }
        return bytes
    }
}

extension ICMPMessage {
    fileprivate func bytes(_ ip: IPHeader) -> [UInt8] {
        var bytes: [UInt8] = [type, code, 0, 0]
        bytes.append32(rest)
        bytes += body
        var checksum = InternetChecksum()
        if ip.family == .v6 { checksum.addPseudoHeader(ip, ProtocolNumber.icmp6, length: bytes.count) }
        checksum.add(bytes)
        bytes.store(InternetChecksum.sum(checksum.value, checksumError), at: 2)
        return bytes
    }
}
