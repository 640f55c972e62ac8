import CRtnetlink
import Glibc
package import SystemPackage

/// One message of the kernel.
package struct NetlinkMessage {
    package enum Kind: Equatable {
        case answer
        /// The last of a dump.
        case end
        case refusal(Errno)
    }

    private let header: nlmsghdr
    package let payload: ArraySlice<UInt8>

    /// RTM_NEWLINK and the like.
    package var type: Int32 { Int32(header.nlmsg_type) }
    package var isPartOfDump: Bool { header.nlmsg_flags & UInt16(NLM_F_MULTI) != 0 }
    /// The dump that it belongs to is a mixture of before and after a change.
    package var isInterrupted: Bool { header.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0 }

    package var kind: Kind {
        switch type {
        // Both carry an error number first, negative; a dump may fail with its last message only.
        case NLMSG_ERROR, NLMSG_DONE:
            let number = -(payload.value(Int32.self) ?? 0)
            if number > 0 { return .refusal(Errno(rawValue: number)) }
            return .end
        default: return .answer
        }
    }

    /// The messages of a datagram; what is cut off is left out.
    package static func all(in bytes: ArraySlice<UInt8>) -> [NetlinkMessage] {
        let headerSize = MemoryLayout<nlmsghdr>.size
        var messages: [NetlinkMessage] = []
        var rest = bytes
        while let header = rest.value(nlmsghdr.self) {
            let length = Int(header.nlmsg_len)
            guard length >= headerSize, length <= rest.count else { break }
            messages.append(NetlinkMessage(header: header, payload: rest.prefix(length).dropFirst(headerSize)))
            rest = rest.dropFirst(aligned(length))
        }
        return messages
    }

    /// The fixed part of the payload, such as an ifinfomsg, and the attributes behind it.
    package func parts<Head: BitwiseCopyable>(_ type: Head.Type) -> (head: Head, attributes: NetlinkAttributes)? {
        guard let head = payload.value(type) else { return nil }
        return (head, NetlinkAttributes(bytes: payload.dropFirst(aligned(MemoryLayout<Head>.size))))
    }
}

/// What follows the fixed part of a message: numbered values, which may hold such lists themselves.
package struct NetlinkAttributes {
    package let bytes: ArraySlice<UInt8>

    package init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// The bytes of the first attribute of a number.
    package subscript(number: some BinaryInteger) -> ArraySlice<UInt8>? {
        let headerSize = MemoryLayout<rtattr>.size
        var rest = bytes
        while let header = rest.value(rtattr.self) {
            let length = Int(header.rta_len)
            guard length >= headerSize, length <= rest.count else { return nil }
            // The two highest bits say how the value is written.
            if header.rta_type & 0x3fff == UInt16(number) { return rest.prefix(length).dropFirst(headerSize) }
            rest = rest.dropFirst(aligned(length))
        }
        return nil
    }

    package func value<Value: BitwiseCopyable>(_ number: some BinaryInteger, _ type: Value.Type) -> Value? {
        self[number]?.value(type)
    }

    /// A text, which ends with a NUL.
    package func text(_ number: some BinaryInteger) -> String? {
        self[number].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    package func nested(_ number: some BinaryInteger) -> NetlinkAttributes? {
        self[number].map(NetlinkAttributes.init(bytes:))
    }
}

/// A message to the kernel.
package struct NetlinkRequest {
    package private(set) var bytes: [UInt8]

    /// - Parameter head: the fixed part that belongs to the type.
    package init<Head: BitwiseCopyable>(_ type: some BinaryInteger, flags: Int32 = 0, _ head: Head) {
        var header = nlmsghdr()
        header.nlmsg_type = UInt16(type)
        header.nlmsg_flags = UInt16(NLM_F_REQUEST | flags)
        bytes = []
        append(header)
        append(head)
        writeLength()
    }

    package mutating func append(_ value: [UInt8], as number: some BinaryInteger) {
        append(rtattr(rta_len: UInt16(MemoryLayout<rtattr>.size + value.count), rta_type: UInt16(number)))
        bytes += value
        pad()
        writeLength()
    }

    private mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        withUnsafeBytes(of: value) { bytes += $0 }
        pad()
    }

    private mutating func pad() {
        bytes += [UInt8](repeating: 0, count: aligned(bytes.count) - bytes.count)
    }

    private mutating func writeLength() {
        withUnsafeBytes(of: UInt32(bytes.count)) { bytes.replaceSubrange(0..<4, with: $0) }
    }
}

/// Everything in a message begins at a multiple of four.
private func aligned(_ length: Int) -> Int { (length + 3) & ~3 }

extension ArraySlice<UInt8> {
    /// What the first bytes stand for; nil when there are too few.
    package func value<Value: BitwiseCopyable>(_ type: Value.Type) -> Value? {
        guard count >= MemoryLayout<Value>.size else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(as: type) }
    }
}
