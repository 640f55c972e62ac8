import Glibc
import SystemCalls
import SystemPackage
package import ServiceModel

extension StateCache {
    /// Replaces the cache. It holds a few objects in memory at a time, and leaves nothing behind when it throws.
    ///
    /// - Parameters:
    ///   - events: the objects that there are; the end of an object says nothing here.
    ///   - cluster: words by any of which the cluster is known again, such as digests of its certificates.
    @discardableResult
    package func write(
        _ events: some Sequence<ClusterEvent>, node: String, cluster: Set<String> = [], at time: UnixTime
    ) throws(StateCacheError) -> StateCacheSummary {
        unlink(draftPath)
        do throws(SystemFailure) {
            let file = try CacheFile(creating: draftPath)
            var draft = Draft(file: file)
            StateCache.writeHeader(node: node, cluster: cluster, time: time, to: &draft.json)
            for event in events { try draft.add(event) }
            try draft.end()
            try file.synchronize()
            try check(rename(draftPath, path))
            try CacheFile(directory: directory).synchronize()
            return StateCacheSummary(objects: draft.objects, time: time)
        } catch {
            unlink(draftPath)
            throw StateCacheError(.unwritable(error.number), path: path)
        }
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Hidden, beside the cache: a rename works within one file system only. There is one writer.
    private var draftPath: String {
        let name = path.split(separator: "/").last ?? ""
        return "\(directory)/.\(name).draft"
    }
}

/// A cache that is being written.
private struct Draft {
    private static let portion = 64 * 1024

    let file: CacheFile
    var json = JSONWriter()
    private(set) var objects = 0
    private var checksum = CRC32C()

    init(file: CacheFile) { self.file = file }

    mutating func add(_ event: ClusterEvent) throws(SystemFailure) {
        if StateCache.write(event, to: &json) { objects += 1 }
        if json.bytes.count >= Self.portion { try flush() }
    }

    mutating func end() throws(SystemFailure) {
        try flush()
        StateCache.writeTrailer(objects: objects, checksum: checksum, to: &json)
        try flush()
    }

    private mutating func flush() throws(SystemFailure) {
        json.bytes.withUnsafeBytes { checksum.add($0) }
        try file.write(json.bytes)
        json.clear()
    }
}

/// An error number of the system.
struct SystemFailure: Error {
    var number: Int32
}

private func check(_ status: Int32) throws(SystemFailure) {
    guard status == 0 else { throw SystemFailure(number: errno) }
}

/// An open file or directory.
struct CacheFile {
    private let descriptor: Descriptor

    /// Makes a file that must not be there yet; only its owner may read it.
    init(creating path: String) throws(SystemFailure) {
        try self.init(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600))
    }

    init(directory path: String) throws(SystemFailure) {
        try self.init(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    /// Opens a file that is really one: a pipe would block.
    init(reading path: String) throws(SystemFailure) {
        try self.init(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC))
        var status = stat()
        try check(fstat(descriptor.number, &status))
        guard status.st_mode & S_IFMT == S_IFREG else { throw SystemFailure(number: EINVAL) }
    }

    private init(_ number: Int32) throws(SystemFailure) {
        guard number >= 0 else { throw SystemFailure(number: errno) }
        descriptor = Descriptor(adopting: number)
    }

    func synchronize() throws(SystemFailure) {
        try check(fsync(descriptor.number))
    }

    func write(_ bytes: [UInt8]) throws(SystemFailure) {
        do throws(Errno) {
            try FileDescriptor(rawValue: descriptor.number).write(all: bytes)
        } catch {
            throw SystemFailure(number: error.rawValue)
        }
    }

    /// Adds up to that many bytes; false at the end of the file.
    func read(_ most: Int, into bytes: inout [UInt8]) throws(SystemFailure) -> Bool {
        while true {
            var (status, number) = (0, Int32(0))
            let portion = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
                status = Glibc.read(descriptor.number, buffer.baseAddress, most)
                number = errno
                count = max(status, 0)
            }
            if status < 0 && number == EINTR { continue }
            guard status >= 0 else { throw SystemFailure(number: number) }
            bytes += portion
            return status > 0
        }
    }
}
