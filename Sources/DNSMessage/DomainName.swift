/// A domain name as it travels: labels, each behind its length, ended by an empty one (RFC 1035 3.1), in lower case.
///
/// Lower case makes equality what DNS compares by (RFC 4343). At most 255 bytes, labels of 1 to 63.
package struct DomainName: Sendable, Hashable {
    package static let root = DomainName(uncheckedWire: [0])
    /// Where names of IPv4 addresses are (RFC 1035 3.5).
    package static let reverse4 = DomainName(uncheckedWire: [7] + "in-addr".utf8 + [4] + "arpa".utf8 + [0])
    /// Where names of IPv6 addresses are (RFC 3596 2.5).
    package static let reverse6 = DomainName(uncheckedWire: [3] + "ip6".utf8 + [4] + "arpa".utf8 + [0])
    package static let longest = 255
    /// The empty one included.
    static let mostLabels = 128

    /// With the closing zero.
    package let wire: [UInt8]

    init(uncheckedWire wire: [UInt8]) { self.wire = wire }

    /// Exactly one name, as it travels; nil for other bytes.
    package init?(wire: [UInt8]) {
        var reader = MessageReader(wire)
        guard let name = try? reader.name(), reader.isAtEnd else { return nil }
        self = name
    }

    /// A name as people write it, with or without the closing dot; nil if a label is empty or longer than 63 bytes, or the
    /// name longer than 255. Escapes of master files are not understood: names of Kubernetes have no use for them.
    package init?(_ text: some StringProtocol) {
        var wire: [UInt8] = []
        let text = text.hasSuffix(".") ? text.dropLast() : text[...]
        if !text.isEmpty {
            for label in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
                guard (1...63).contains(label.count) else { return nil }
                wire.append(UInt8(label.count))
                wire.append(contentsOf: label.lazy.map(\.loweredASCII))
            }
        }
        wire.append(0)
        guard wire.count <= Self.longest else { return nil }
        self.wire = wire
    }

    /// From the outermost label on the left: `a.b` in `c` is `a.b.c`. Nil if that is too long.
    package init?(_ labels: some Sequence<String>, in parent: DomainName) {
        var wire: [UInt8] = []
        for label in labels {
            let bytes = label.utf8
            guard (1...63).contains(bytes.count) else { return nil }
            wire.append(UInt8(bytes.count))
            wire.append(contentsOf: bytes.lazy.map(\.loweredASCII))
        }
        wire += parent.wire
        guard wire.count <= Self.longest else { return nil }
        self.wire = wire
    }

    package var isRoot: Bool { wire.count == 1 }

    /// The labels, the leftmost first.
    package var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var place = 0
        while place < wire.count, wire[place] != 0 {
            let end = place + 1 + Int(wire[place])
            labels.append(wire[(place + 1)..<end])
            place = end
        }
        return labels
    }

    /// The name without its leftmost label; nil for the root.
    package var parent: DomainName? {
        isRoot ? nil : DomainName(uncheckedWire: Array(wire[(1 + Int(wire[0]))...]))
    }

    /// The labels to the left of a name that this one is equal to or below; nil if it is not.
    package func labels(below ancestor: DomainName) -> [ArraySlice<UInt8>]? {
        guard wire.count >= ancestor.wire.count else { return nil }
        let cut = wire.count - ancestor.wire.count
        guard wire[cut...].elementsEqual(ancestor.wire) else { return nil }
        var labels: [ArraySlice<UInt8>] = []
        var place = 0
        while place < cut {
            let end = place + 1 + Int(wire[place])
            labels.append(wire[(place + 1)..<end])
            place = end
        }
        // The tail may lie in the middle of a label, which only looks like the ancestor.
        return place == cut ? labels : nil
    }
}

extension DomainName: CustomStringConvertible {
    /// With the closing dot; bytes that are no letter, digit, `-` or `_` as `\DDD` (RFC 1035 5.1).
    package var description: String {
        if isRoot { return "." }
        return labels.map { label in
            label.map { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                    UInt8(ascii: "_"):
                    String(UnicodeScalar(byte))
                default: "\\" + String(repeating: "0", count: byte < 10 ? 2 : byte < 100 ? 1 : 0) + String(byte)
                }
            }.joined() + "."
        }.joined()
    }
}

extension UInt8 {
    package var loweredASCII: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }
}
