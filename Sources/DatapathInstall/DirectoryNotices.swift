import BPFLoader
import Dispatch
import Glibc
import ServiceModel
import Synchronization
import SystemPackage
import SystemCalls

/// Tells when directories get or lose entries. Those that are removed are forgotten by the kernel.
final class DirectoryNotices: Sendable {
    /// One for any number of changes.
    let changes: AsyncStream<Void>
    private let descriptor: Int32
    private let source: Mutex<any DispatchSourceRead>

    private static let mask = UInt32(IN_CREATE) | UInt32(IN_DELETE) | UInt32(IN_ONLYDIR)

    init() throws(InstallError) {
        let descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else {
            let cause = Errno.last
            throw InstallError(
                .limitReached,
                "cannot watch directories: \(cause.plainText); raise fs.inotify.max_user_instances")
        }
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let queue = DispatchQueue(label: "directories")
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler {
            Self.drain(descriptor)
            continuation.yield()
        }
        source.setCancelHandler {
            close(descriptor)
            continuation.finish()
        }
        source.resume()
        self.changes = changes
        self.descriptor = descriptor
        self.source = Mutex(source)
    }

    deinit { source.withLock { $0.cancel() } }

    /// Begins to watch a directory; one that is watched already stays so.
    ///
    /// - Returns: what is in the way; nil also for a directory that is gone.
    func watch(_ directory: FilePath) -> Errno? {
        let number = directory.withPlatformString { inotify_add_watch(descriptor, $0, Self.mask) }
        return number >= 0 || Errno.last == .noSuchFileOrDirectory ? nil : Errno.last
    }

    /// What has changed is looked for, not read.
    private static func drain(_ descriptor: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) > 0 {}
        }
    }
}
