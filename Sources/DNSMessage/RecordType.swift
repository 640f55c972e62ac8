/// The type of a record or question (RFC 1035 3.2.2 and 3.2.3, and the registry of IANA).
package struct RecordType: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let a = RecordType(rawValue: 1)
    package static let ns = RecordType(rawValue: 2)
    package static let cname = RecordType(rawValue: 5)
    package static let soa = RecordType(rawValue: 6)
    package static let ptr = RecordType(rawValue: 12)
    package static let txt = RecordType(rawValue: 16)
    package static let aaaa = RecordType(rawValue: 28)
    package static let srv = RecordType(rawValue: 33)
    /// Extensions of the message, no record (RFC 6891).
    package static let opt = RecordType(rawValue: 41)
    package static let ixfr = RecordType(rawValue: 251)
    package static let axfr = RecordType(rawValue: 252)
    package static let any = RecordType(rawValue: 255)
}

/// How a question ended (RFC 1035 4.1.1, RFC 6891 6.1.3).
package struct ResponseCode: RawRepresentable, Sendable, Hashable {
    /// Twelve bits: the upper eight travel in the OPT record.
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue & 0xfff }

    package static let noError = ResponseCode(rawValue: 0)
    package static let formatError = ResponseCode(rawValue: 1)
    package static let serverFailure = ResponseCode(rawValue: 2)
    /// NXDOMAIN: there is nothing of that name, of any type, nor below it.
    package static let nameError = ResponseCode(rawValue: 3)
    package static let notImplemented = ResponseCode(rawValue: 4)
    package static let refused = ResponseCode(rawValue: 5)
    package static let badVersion = ResponseCode(rawValue: 16)
}
