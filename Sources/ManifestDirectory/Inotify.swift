import Glibc
import KubernetesObjects

/// The kernel's notices about directories.
struct Inotify: ~Copyable {
    struct Event {
        var watch: Int32
        var mask: UInt32
        /// Empty when the event is about the watched directory itself.
        var name: String

        func has(_ flags: Int) -> Bool { mask & UInt32(flags) != 0 }
        var isDirectory: Bool { has(Int(IN_ISDIR)) }
    }

    /// What is told about the entries of a directory and about the directory itself. IN_MODIFY says that a
    /// writer is at work, so that half a file is not read.
    static let mask =
        UInt32(IN_CREATE) | UInt32(IN_MODIFY) | UInt32(IN_CLOSE_WRITE) | UInt32(IN_ATTRIB) | UInt32(IN_DELETE)
        | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF)
        | UInt32(IN_ONLYDIR)

    let descriptor: Descriptor

    init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// A descriptor for notices, which does not block.
    static func open() throws(ManifestSourceError) -> Descriptor {
        let number = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard number >= 0 else {
            throw ManifestSourceError(
                .watch, "directories", errno: errno, advice: "raise fs.inotify.max_user_instances")
        }
        return Descriptor(adopting: number)
    }

    /// Begins to watch a directory; the same directory has the same number by whatever path it is reached.
    func watch(_ directory: String) -> Result<Int32, SystemError> {
        let number = inotify_add_watch(descriptor.number, directory, Self.mask)
        return number >= 0 ? .success(number) : .failure(SystemError(errno))
    }

    func endWatch(_ number: Int32) {
        inotify_rm_watch(descriptor.number, number)
    }

    /// All that has been told since the last time.
    func events() -> [Event] {
        var events: [Event] = []
        withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 8) { buffer in
            while true {
                let count = read(descriptor.number, buffer.baseAddress, buffer.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                Self.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: &events)
            }
        }
        return events
    }

    private static func append(_ bytes: UnsafeRawBufferPointer, to events: inout [Event]) {
        let headSize = MemoryLayout<inotify_event>.size
        var offset = 0
        while offset + headSize <= bytes.count {
            let head = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            let end = offset + headSize + Int(head.len)
            let name = bytes[(offset + headSize)..<end].prefix { $0 != 0 }
            events.append(Event(watch: head.wd, mask: head.mask, name: String(decoding: name, as: UTF8.self)))
            offset = end
        }
    }
}
