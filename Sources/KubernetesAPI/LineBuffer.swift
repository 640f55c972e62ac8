import NIOCore

/// Cuts the pieces in which a watch arrives into lines: an object may be larger than a piece, and a piece may hold many.
struct LineBuffer {
    /// Far more than an object may have in etcd.
    static let longest = 16 << 20

    private var pending = ByteBuffer()
    /// How much of `pending` is known to have no line's end.
    private var searched = 0

    var isTooLong: Bool { unfinished > Self.longest }

    /// So many bytes of the next line are here.
    var unfinished: Int { pending.readableBytes }

    mutating func append(_ piece: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = piece
        } else {
            pending.writeImmutableBuffer(piece)
        }
    }

    /// The next complete line, without its end; empty ones are passed over.
    mutating func next() -> [UInt8]? {
        while let end = nextEnd() {
            searched = 0
            let line = pending.readBytes(length: end) ?? []
            pending.moveReaderIndex(forwardBy: 1)
            if line.last == UInt8(ascii: "\r") ? line.count > 1 : !line.isEmpty { return line }
        }
        pending.discardReadBytes()
        return nil
    }

    private mutating func nextEnd() -> Int? {
        let view = pending.readableBytesView
        if let end = view.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) { return end - view.startIndex }
        searched = view.count
        return nil
    }
}
