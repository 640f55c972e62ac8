import Glibc
package import SystemPackage

/// Reading what is in the file system. Calls that a signal has interrupted are made again.
package enum SystemFile {
    /// All bytes of a file, also of one that says that it is empty, as those of /proc do.
    ///
    /// - Parameter limit: of a longer file no more than that is read.
    package static func bytes(
        of path: FilePath, atMost limit: Int = .max, options: FileDescriptor.OpenOptions = []
    ) throws(Errno) -> [UInt8] {
        try rethrowing {
            let file = try FileDescriptor.open(path, .readOnly, options: options.union(.closeOnExec))
            return try file.closeAfter { try file.rest(atMost: limit) }
        }
    }

    /// Hands a file over in parts, until it ends or no more of it is wanted.
    package static func read(_ path: FilePath, while take: (ArraySlice<UInt8>) -> Bool) throws(Errno) {
        try rethrowing {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            try file.closeAfter {
                var part = [UInt8](repeating: 0, count: 4_096)
                while true {
                    let count = try part.withUnsafeMutableBytes { try file.read(into: $0) }
                    if count == 0 || !take(part[..<count]) { return }
                }
            }
        }
    }

    /// Writes into a file that is there, such as a setting of the kernel, in one call.
    package static func write(_ text: String, to path: FilePath) throws(Errno) {
        try rethrowing {
            let file = try FileDescriptor.open(path, .writeOnly, options: .closeOnExec)
            try file.closeAfter { try file.write(all: Array(text.utf8)) }
        }
    }

    package static func text(of path: FilePath, atMost limit: Int = .max) throws(Errno) -> String {
        String(decoding: try bytes(of: path, atMost: limit), as: UTF8.self)
    }

    /// The names in a directory, sorted.
    package static func names(in directory: FilePath) throws(Errno) -> [String] {
        try entries(of: directory).map(\.name).sorted()
    }

    /// What is in a directory but for "." and "..".
    package static func entries(of directory: FilePath) throws(Errno) -> [DirectoryEntry] {
        guard let stream = directory.withPlatformString({ opendir($0) }) else { throw .last }
        return entries(closing: stream)
    }

    /// The same of an open directory, whose descriptor is closed.
    package static func entries(closing descriptor: FileDescriptor) throws(Errno) -> [DirectoryEntry] {
        guard let stream = fdopendir(descriptor.rawValue) else {
            let cause = Errno.last
            try? descriptor.close()
            throw cause
        }
        return entries(closing: stream)
    }

    private static func entries(closing stream: OpaquePointer) -> [DirectoryEntry] {
        defer { closedir(stream) }
        var entries: [DirectoryEntry] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != "." && name != ".." else { continue }
            entries.append(
                DirectoryEntry(
                    name: name, inode: UInt64(entry.pointee.d_ino),
                    isDirectory: entry.pointee.d_type == UInt8(DT_DIR)))
        }
        return entries
    }

    /// Where a symbolic link leads; nil where there is none.
    package static func linkTarget(_ path: FilePath) -> String? {
        withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = path.withPlatformString {
                readlink($0, start.assumingMemoryBound(to: CChar.self), buffer.count)
            }
            return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}

/// What a directory says of one of its entries.
package struct DirectoryEntry: Sendable, Hashable {
    package let name: String
    package let inode: UInt64
    /// A symbolic link to one is none.
    package let isDirectory: Bool
}

extension FilePath {
    package var exists: Bool { withPlatformString { access($0, F_OK) } == 0 }
}

extension FileDescriptor {
    /// Writes all bytes, however many calls that takes.
    package func write(all bytes: [UInt8]) throws(Errno) {
        try rethrowing { _ = try writeAll(bytes) }
    }

    /// All bytes from where it is.
    package func rest(atMost limit: Int = .max) throws(Errno) -> [UInt8] {
        try rethrowing {
            var bytes: [UInt8] = []
            var part = [UInt8](repeating: 0, count: min(limit, 65_536))
            while bytes.count < limit {
                let count = try part.withUnsafeMutableBytes { try read(into: $0) }
                if count == 0 { break }
                bytes += part[..<min(count, limit - bytes.count)]
            }
            return bytes
        }
    }
}

/// What the system library throws is an `Errno`.
private func rethrowing<Result>(_ body: () throws -> Result) throws(Errno) -> Result {
    do {
        return try body()
    } catch let error as Errno {
        throw error
    } catch {
        throw .ioError
    }
}
