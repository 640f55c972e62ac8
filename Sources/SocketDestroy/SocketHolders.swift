internal import BPFLoader
import Glibc
internal import SystemPackage

/// Which process has a socket open, by which descriptor.
struct SocketHolders: Sendable {
    private struct Holder {
        var process: Int32
        var descriptor: CInt
    }

    private var holders: [UInt32: Holder] = [:]

    /// Looks through the descriptors of all processes that may be looked at, until all of these sockets are found.
    ///
    /// - Parameter inodes: the sockets' numbers, as in `socket:[…]`.
    init(of inodes: Set<UInt32>) {
        guard !inodes.isEmpty, let processes = opendir("/proc") else { return }
        defer { closedir(processes) }
        while holders.count < inodes.count, let entry = readdir(processes) {
            guard let process = Int32(Self.name(entry)) else { continue }
            look(at: process, for: inodes)
        }
    }

    private mutating func look(at process: Int32, for inodes: Set<UInt32>) {
        // Another user's, or gone by now.
        guard let descriptors = opendir("/proc/\(process)/fd") else { return }
        defer { closedir(descriptors) }
        let directory = dirfd(descriptors)
        while holders.count < inodes.count, let entry = readdir(descriptors) {
            let name = Self.name(entry)
            guard let number = CInt(name), let inode = Self.inode(of: name, in: directory), inodes.contains(inode),
                holders[inode] == nil
            else { continue }
            holders[inode] = Holder(process: process, descriptor: number)
        }
    }

    private static func name(_ entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Of a link to `socket:[1234]`.
    private static func inode(of name: String, in directory: CInt) -> UInt32? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let length = readlinkat(directory, name, start, buffer.count)
            guard length > 9, length < buffer.count else { return nil }
            let text = buffer.prefix(length).map { UInt8(bitPattern: $0) }
            guard text.starts(with: Array("socket:[".utf8)), text.last == UInt8(ascii: "]") else { return nil }
            return UInt32(String(decoding: text.dropFirst(8).dropLast(), as: UTF8.self))
        }
    }

    /// A copy of the descriptor that leads to this socket, and to no other; nil if there is none any more, or no right to
    /// it.
    func copy(of socket: ConnectedSocket) -> FileDescriptor? {
        guard let holder = holders[socket.inode],
            let copy = try? ForeignDescriptor.copy(holder.descriptor, ofProcess: holder.process)
        else { return nil }
        guard SocketDiagnosis.cookie(of: copy.rawValue) == socket.cookie else {
            try? copy.close()
            return nil
        }
        return copy
    }
}
