/// Cuts the items out of a list while it arrives, so that no more of it is in memory than the largest item: a list from an
/// API server's memory comes in one answer, however large it is.
///
/// It knows of JSON where texts begin and end, and which brackets belong together. Whether items are JSON is found out when
/// they are read; what stands round them is in `envelope`, with an empty list in their place.
package struct ListCutter: Sendable {
    /// Far more than an object may have in etcd.
    private static let longestItem = 16 << 20
    /// Kind, version, and how the list goes on.
    private static let longestEnvelope = 1 << 20

    package private(set) var envelope: [UInt8] = []
    private var item: [UInt8] = []
    /// How many lists and maps the next byte is inside of.
    private var depth = 0
    private var isInText = false
    private var isEscaped = false
    /// The last text at depth 1, as far as it is needed to know `items`.
    private var key: [UInt8] = []
    private var isInItems = false

    package init() {}

    /// What is in memory of the list: what stands round the items, and the beginning of one.
    var keptBytes: Int { envelope.count + item.count }

    /// Takes the next bytes, and hands on each item that is complete with them.
    package mutating func add(
        _ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws(SyntaxError) -> Void
    ) throws(SyntaxError) {
        var start = 0
        var next = 0
        while next < bytes.count {
            if isInText, depth > 1, !isEscaped {
                // Most of a list is texts: what ends none of them is passed over in strides.
                next = bytes.endOfOrdinary(from: next)
                if next == bytes.count { break }
            }
            let index = next
            let byte = bytes[index]
            next += 1
            if isInText {
                passText(byte)
                continue
            }
            switch byte {
            case UInt8(ascii: "\"") where !isBetweenItems: beginText()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if isBetweenItems { start = index }
                open(byte)
                if isBetweenItems { keep(bytes[start...index], &start) }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if isBetweenItems {
                    try end(bytes[start...index], take)
                    start = index + 1
                } else if isInItems, depth < 2 {
                    isInItems = false
                    start = index
                }
            case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): break
            default: if isBetweenItems { throw SyntaxError(cause: "an item of the list is no object") }
            }
        }
        if start < bytes.count { keep(bytes[start...], &start) }
        guard item.count <= Self.longestItem else { throw SyntaxError(cause: "an item is longer than 16 MiB") }
        guard envelope.count <= Self.longestEnvelope else {
            throw SyntaxError(cause: "what is round the items is too long")
        }
    }

    private var isBetweenItems: Bool { isInItems && depth == 2 }

    private mutating func passText(_ byte: UInt8) {
        if depth == 1 && key.count < 8 && byte != UInt8(ascii: "\"") { key.append(byte) }
        if isEscaped {
            isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
            isInText = false
        }
    }

    private mutating func beginText() {
        isInText = true
        if depth == 1 { key.removeAll(keepingCapacity: true) }
    }

    private mutating func open(_ byte: UInt8) {
        if depth == 1, byte == UInt8(ascii: "["), key.elementsEqual("items".utf8) { isInItems = true }
        depth += 1
    }

    private mutating func keep(_ bytes: Slice<UnsafeRawBufferPointer>, _ start: inout Int) {
        start = bytes.endIndex
        if isInItems && depth > 2 {
            item += bytes
        } else if !isBetweenItems || bytes.last == UInt8(ascii: "[") {
            // What parts the items is not kept.
            envelope += bytes
        }
    }

    private mutating func end(
        _ bytes: Slice<UnsafeRawBufferPointer>, _ take: (UnsafeRawBufferPointer) throws(SyntaxError) -> Void
    ) throws(SyntaxError) {
        if item.isEmpty { return try take(UnsafeRawBufferPointer(rebasing: bytes)) }
        item += bytes
        try item.borrowed { bytes throws(SyntaxError) in try take(bytes) }
        item.removeAll(keepingCapacity: true)
    }
}
