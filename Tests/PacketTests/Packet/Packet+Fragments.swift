extension Packet {
    /// The packet in parts, as a router (IPv4) or the sender (IPv6) makes them, in order.
    ///
    /// - Parameter size: bytes of payload in each part but the last, a multiple of eight.
    func fragments(of size: Int, identification: UInt32 = 7) -> [Packet] {
        precondition(size > 0 && size % 8 == 0, "all fragments but the last have a multiple of eight bytes")
        let all = content.bytes(ip)
        return stride(from: 0, to: all.count, by: size).map { offset in
            var part = self
            let end = min(offset + size, all.count)
            let number = content.protocolNumber(family)
            part.content = .bytes(ofProtocol: number, Array(all[offset..<end]))
            part.ip.fragment = IPHeader.Fragment(offset: offset, more: end < all.count)
            switch family {
            case .v4: part.ip.identification = UInt16(identification)
            case .v6: part.ip.fragment?.identification = identification
            }
            return part
        }
    }

    /// Puts parts together, in whatever order they are, and verifies the whole.
    init(reassembling parts: [Packet]) throws(PacketError) {
        var bytes: [UInt8] = []
        let parts = parts.sorted { ($0.ip.fragment?.offset ?? 0) < ($1.ip.fragment?.offset ?? 0) }
        guard var whole = parts.first else { throw PacketError("there are no fragments") }
        for part in parts {
            guard let place = part.ip.fragment, case .bytes(let number, let contents) = part.content,
                place.offset == bytes.count, place.more || part == parts.last,
                number == whole.content.protocolNumber(whole.family), part.reassemblyKey == whole.reassemblyKey
            else { throw PacketError("\(part) does not belong to \(whole)") }
            bytes += contents
        }
        guard parts.last?.ip.fragment?.more == false else { throw PacketError("the last fragment is missing") }
        whole.ip.fragment = nil
        whole.content = .bytes(ofProtocol: whole.content.protocolNumber(whole.family), bytes)
        try self.init(whole.bytes, hasEthernet: whole.ethernet != nil)
    }

    /// By what a receiver knows the parts of one packet.
    private var reassemblyKey: [UInt8] {
        ip.source + ip.destination + [UInt8(ip.identification >> 8), UInt8(ip.identification & 0xff)]
            + withUnsafeBytes(of: ip.fragment?.identification ?? 0) { Array($0) }
    }
}
