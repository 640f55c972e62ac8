import CLibbpf
import Glibc
import SystemPackage
import SystemCalls

/// The reader of a ring buffer (kernel 5.8): records of one size, oldest first. A ring has room for one reader.
package struct RingBuffer<Record: BitwiseCopyable>: ~Copyable {
    private let pointer: OpaquePointer
    private let inbox = Inbox()
    private let name: String

    package init(_ map: borrowing BPFMap, of _: Record.Type = Record.self) throws(BPFError) {
        let context = Unmanaged.passUnretained(inbox).toOpaque()
        let pointer = ring_buffer__new(map.descriptor.rawValue, takeRecord, context, nil)
        guard let pointer else { throw BPFError(.read, "ring buffer \(map.name)", .last) }
        self.pointer = pointer
        name = map.name
    }

    deinit { ring_buffer__free(pointer) }

    /// Takes what is there, `limit` records at most, and does not wait. What has another size is left out.
    package borrowing func take(atMost limit: Int) throws(BPFError) -> [Record] {
        inbox.begin(size: MemoryLayout<Record>.size, limit: limit)
        let status = ring_buffer__consume(pointer)
        guard status >= 0 || status == Inbox.isFull else {
            throw BPFError(.read, "ring buffer \(name)", Errno(rawValue: -status))
        }
        return inbox.bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: MemoryLayout<Record>.size).map {
                bytes.loadUnaligned(fromByteOffset: $0, as: Record.self)
            }
        }
    }
}

/// What libbpf has handed over. A class because libbpf keeps a pointer to it.
private final class Inbox {
    /// Makes libbpf stop behind a record that it has handed over.
    static let isFull = -EXFULL

    private(set) var bytes: [UInt8] = []
    private var size = 0
    private var limit = 0

    func begin(size: Int, limit: Int) {
        bytes.removeAll(keepingCapacity: true)
        (self.size, self.limit) = (size, limit * size)
    }

    func take(_ record: UnsafeRawBufferPointer) -> Int32 {
        if record.count == size { bytes.append(contentsOf: record) }
        return bytes.count < limit ? 0 : Self.isFull
    }
}

private func takeRecord(context: UnsafeMutableRawPointer?, data: UnsafeMutableRawPointer?, size: Int) -> Int32 {
    guard let context else { return -EINVAL }
    let inbox = Unmanaged<Inbox>.fromOpaque(context).takeUnretainedValue()
    return inbox.take(UnsafeRawBufferPointer(start: data, count: size))
}
