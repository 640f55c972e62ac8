/// What is asked: a name, a type and a class.
package struct Question: Sendable, Hashable {
    package static let internet: UInt16 = 1

    package var name: DomainName
    package var type: RecordType
    package var recordClass: UInt16

    package init(_ name: DomainName, _ type: RecordType, recordClass: UInt16 = internet) {
        self.name = name
        self.type = type
        self.recordClass = recordClass
    }
}

/// A message that asks, as a server reads it.
package struct Query: Sendable {
    /// What a client says of itself in an OPT record (RFC 6891).
    package struct Extensions: Sendable, Hashable {
        /// The largest response that it takes over UDP, bytes.
        package var payloadSize: UInt16
        package var version: UInt8
        /// It wants to see the records of DNSSEC (RFC 3225).
        package var wantsSignatures: Bool
        /// It says more, in options that are not read here.
        package var hasOptions = false
    }

    package enum Opcode: Sendable, Hashable {
        case query
        case other(UInt8)
    }

    package var id: UInt16
    package var opcode: Opcode
    package var wantsRecursion: Bool
    /// The client checks signatures itself (RFC 4035 3.2.2).
    package var disablesChecking: Bool
    /// The client wants to know whether the server has checked them (RFC 6840 5.7).
    package var wantsAuthenticData: Bool
    package var question: Question
    /// The question's bytes as they came: a response repeats them, upper case letters included.
    package var questionBytes: [UInt8]
    package var extensions: Extensions?

    /// How many bytes a response over UDP may have: 512 without extensions (RFC 1035 2.3.4), and never more than
    /// what passes any network in one piece.
    package var largestDatagram: Int { min(largestForeignDatagram, Self.largestResponse) }

    /// How many bytes another server's response may have that is passed on: what the client takes.
    package var largestForeignDatagram: Int { max(512, Int(extensions?.payloadSize ?? 512)) }

    /// What fits the smallest MTU of IPv6 (DNS flag day 2020), bytes.
    package static let largestResponse = 1232
}

/// Why a message is no question that a server answers as one.
package enum MalformedMessage: Error, Hashable {
    /// Cut short, not to be made sense of, or a response: it is dropped, since its sender may be another than it says.
    case unreadable
    /// It can be read, and has not one question (RFC 9619), or extensions twice (RFC 6891 6.1.1): the sender is to be told
    /// FORMERR, with this id and these flags.
    case forbidden(id: UInt16, opcode: UInt8, wantsRecursion: Bool)
}

extension Query {
    /// A message that asks this, with recursion; its id is still to be set.
    package static func message(for question: Question) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, Header.Flags.recursionDesired.high, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question.name.wire
        for field in [question.type.rawValue, question.recordClass] { bytes += [field.high, field.low] }
        return bytes
    }
}
