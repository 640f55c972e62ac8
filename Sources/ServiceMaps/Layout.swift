internal import CDatapath
internal import ServiceModel

/// The C types of one IP family. What differs between the families is said here, and nowhere else.
protocol MapFamily {
    associatedtype ServiceKey: ServiceKeyLayout & BitwiseCopyable
    associatedtype Slot: SlotLayout & BitwiseCopyable
    associatedtype Backend: BackendLayout & BitwiseCopyable
    associatedtype SourceRangeKey: SourceRangeKeyLayout & BitwiseCopyable
    associatedtype VIPKey: VIPKeyLayout & BitwiseCopyable

    static var family: IPFamily { get }
}

enum IPv4: MapFamily {
    typealias ServiceKey = service4_key
    typealias Slot = slot4
    typealias Backend = backend4
    typealias SourceRangeKey = source_range4_key
    typealias VIPKey = vip4_key

    static let family = IPFamily.v4
}

enum IPv6: MapFamily {
    typealias ServiceKey = service6_key
    typealias Slot = slot6
    typealias Backend = backend6
    typealias SourceRangeKey = source_range6_key
    typealias VIPKey = vip6_key

    static let family = IPFamily.v6
}

extension IPFamily {
    var layout: any MapFamily.Type { self == .v4 ? IPv4.self : IPv6.self }
}

// MARK: - Fields

/// A C struct with an address as it is written: 10.96.0.15 is `[10, 96, 0, 15]`.
protocol AddressLayout {
    associatedtype Address: BitwiseCopyable

    /// All fields zero, padding included.
    init()
    var address: Address { get set }
}

extension AddressLayout {
    /// The address as a value.
    var ipAddress: IPAddress {
        get {
            withUnsafeBytes(of: address) { bytes in
                if bytes.count == 4 {
                    IPAddress(v4: bytes.loadUnaligned(as: UInt32.self).bigEndian)
                } else {
                    IPAddress(
                        v6: bytes.loadUnaligned(as: UInt64.self).bigEndian,
                        bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)
                }
            }
        }
        set {
            withUnsafeMutableBytes(of: &address) { bytes in
                if bytes.count == 4 {
                    bytes.storeBytes(of: UInt32(truncatingIfNeeded: newValue.low).bigEndian, as: UInt32.self)
                } else {
                    bytes.storeBytes(of: newValue.high.bigEndian, as: UInt64.self)
                    bytes.storeBytes(of: newValue.low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
            }
        }
    }
}

/// Text in a C array: UTF-8, ended by a NUL and filled with NULs.
enum FixedText {
    /// What is left of a text when it has to fit a field of `size` bytes: whole characters, and room for the NUL.
    static func cut(_ text: String, toFit size: Int) -> String {
        guard text.utf8.count >= size else { return text }
        var end = text.utf8.index(text.utf8.startIndex, offsetBy: size - 1)
        while end > text.utf8.startIndex, end.samePosition(in: text.unicodeScalars) == nil {
            end = text.utf8.index(before: end)
        }
        return String(text[..<end])
    }

    /// Writes a text into a field that is all zero.
    static func store<Field: BitwiseCopyable>(_ text: String, in field: inout Field) {
        let fitting = cut(text, toFit: MemoryLayout<Field>.size)
        withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: fitting.utf8) }
    }

    static func load<Field: BitwiseCopyable>(_ field: Field) -> String {
        withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension ip_protocol {
    init(_ proto: IPProtocol) {
        switch proto {
        case .tcp: self = TCP
        case .udp: self = UDP
        case .sctp: self = SCTP
        }
    }

    var decoded: IPProtocol? {
        switch self {
        case TCP: .tcp
        case UDP: .udp
        case SCTP: .sctp
        default: nil
        }
    }
}
