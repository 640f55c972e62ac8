import CZlib
import FoundationEssentials
import Glibc
import ServiceModel
import SystemPackage
import SystemCalls

/// A compressed tar archive of texts, written as they come.
final class Archive {
    /// Longer texts are cut.
    static let longest = 8 << 20

    private let stream: gzFile
    private let directory: String
    private let time: Int

    /// - Parameters:
    ///   - path: must not be there; nil for standard output.
    ///   - directory: of all its files.
    init(path: String?, directory: String, time: Int) throws(CommandError) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = path.map { open($0, flags, 0o600) } ?? dup(STDOUT_FILENO)
        guard descriptor >= 0, let stream = gzdopen(descriptor, "wb") else {
            let cause = Errno.last.plainText
            throw CommandError(
                .outputNotWritten, "cannot write \(path ?? "standard output"): \(cause); name another file with --file")
        }
        self.stream = stream
        self.directory = directory
        self.time = time
    }

    func add(_ name: String, _ text: String) throws(CommandError) {
        var bytes = Array(text.utf8)
        if bytes.count > Self.longest {
            bytes = bytes[..<Self.longest] + Array("\n[cut: \(bytes.count - Self.longest) bytes more]\n".utf8)
        }
        try write(header("\(directory)/\(name)", bytes.count))
        try write(bytes)
        try write([UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512))
    }

    /// The end of the archive; without it nothing is complete.
    func close() throws(CommandError) {
        try write([UInt8](repeating: 0, count: 1024))
        guard gzclose(stream) == Z_OK else {
            throw CommandError(.outputNotWritten, "cannot write the archive to its end; is there room?")
        }
    }

    private func write(_ bytes: [UInt8]) throws(CommandError) {
        guard bytes.isEmpty || gzwrite(stream, bytes, UInt32(bytes.count)) == bytes.count else {
            throw CommandError(.outputNotWritten, "cannot write the archive; is there room?")
        }
    }

    /// A header of POSIX's ustar: fields of text at fixed places, numbers in octal.
    private func header(_ name: String, _ size: Int) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at place: Int) {
            for (index, byte) in text.utf8.enumerated() { header[place + index] = byte }
        }
        func octal(_ number: Int, _ width: Int) -> String {
            let digits = String(number, radix: 8)
            return String(repeating: "0", count: max(width - digits.count, 0)) + digits
        }
        put(String(name.utf8.prefix(100)) ?? "file", at: 0)
        put(octal(0o600, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(time, 11), at: 136)
        // The sum is taken over the header with blanks in its own place; behind it is the type, a file.
        put("        0", at: 148)
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6), at: 148)
        header[154] = 0
        return header
    }
}
