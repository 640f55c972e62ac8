import Glibc
import SystemPackage

/// The target of a symbolic link, or "" where there is none.
func readLink(_ path: String) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
        guard let start = buffer.baseAddress else { return "" }
        let count = readlink(path, start, buffer.count)
        return count < 0 ? "" : String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// The whole text of a small file, as those in /proc are.
func readText(_ path: FilePath) throws(BPFError) -> String {
    let descriptor = path.withPlatformString { Glibc.open($0, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw BPFError(.read, "\(path)", .last) }
    let file = Descriptor(adopting: descriptor)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = read(file.rawValue, &chunk, chunk.count)
        guard count >= 0 else { throw BPFError(.read, "\(path)", .last) }
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}

/// The text of a fixed C array of characters, up to its NUL.
func text<Characters: BitwiseCopyable>(of characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// What is in a directory, without "." and ".."; nothing if there is no such directory.
func entries(of path: FilePath) throws(BPFError) -> [String] {
    guard let directory = path.withPlatformString({ opendir($0) }) else {
        if Errno.last == .noSuchFileOrDirectory { return [] }
        throw BPFError(.read, "\(path)", .last)
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = text(of: entry.pointee.d_name)
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

extension FilePath {
    var exists: Bool { withPlatformString { access($0, F_OK) } == 0 }
}
