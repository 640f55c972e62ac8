import NetworkLab
import Testing

/// Expects bytes to be a packet, checksums included, and says in which fields they are not.
func expectEqual(
    _ bytes: [UInt8], _ expected: Packet, _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    do {
        expectEqual(
            try Packet(bytes, hasEthernet: expected.ethernet != nil), expected, comment, sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(comment) \(error); expected \(expected): \(hex(bytes))", sourceLocation: sourceLocation)
    }
}

/// Expects a packet to be another one, and says in which fields it is not.
func expectEqual(
    _ packet: Packet, _ expected: Packet, _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    let difference = packet.difference(from: expected)
    #expect(
        difference.isEmpty, "\(comment)\n  got      \(packet)\n  expected \(expected)\n  \(difference.lines)",
        sourceLocation: sourceLocation)
}

/// Expects the very same bytes: what is not ours goes as it came.
func expectUntouched(
    _ bytes: [UInt8], _ original: [UInt8], _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    guard bytes != original else { return }
    let before = (try? Packet(original).description) ?? hex(original)
    let after = (try? Packet(bytes).description) ?? hex(bytes)
    Issue.record("\(comment) changed: \(before) became \(after)", sourceLocation: sourceLocation)
}

extension [String] {
    fileprivate var lines: String { joined(separator: "\n  ") }
}

extension SocketAddress: ExpressibleByStringLiteral {
    /// Addresses in tests are written as they are read; one that is none is 0.0.0.0:0, which no test expects.
    public init(stringLiteral text: String) {
        self =
            SocketAddress(text) ?? SocketAddress(host: text, port: 0) ?? SocketAddress(address: [0, 0, 0, 0], port: 0)
    }
}
