import CNetworkLab
import Glibc
import SystemCalls
import SystemPackage

/// Owner of one open file descriptor; it is closed when its owner goes.
package struct Descriptor: ~Copyable, Sendable {
    package let rawValue: CInt

    /// Takes ownership of a descriptor.
    package init(adopting rawValue: CInt) { self.rawValue = rawValue }

    deinit { close(rawValue) }

    /// Opens a file, closed on exec.
    init(opening path: String, _ flags: CInt = O_RDONLY) throws(LabError) {
        let raw = open(path, flags | O_CLOEXEC)
        guard raw >= 0 else { throw LabError("open", path) }
        self.init(adopting: raw)
    }

    /// Writes all of the text.
    package func write(_ text: String) throws(LabError) {
        do throws(Errno) {
            try FileDescriptor(rawValue: rawValue).write(all: Array(text.utf8))
        } catch {
            throw LabError("write", "descriptor \(rawValue)", errno: error.rawValue)
        }
    }

    /// Reads what is there, at most `limit` bytes; nothing means the end.
    package func read(upTo limit: Int = 65536) throws(LabError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(rawValue, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw LabError("read", "descriptor \(rawValue)") }
            return Array(buffer[..<count])
        }
    }

    /// Waits until there is something to read (or the end); `false` when the time is over.
    package func isReadable(within milliseconds: Int) -> Bool {
        var request = pollfd(fd: rawValue, events: Int16(POLLIN), revents: 0)
        let deadline = MonotonicClock.now + UInt64(milliseconds) * 1_000_000
        while true {
            let now = MonotonicClock.now
            let left = now < deadline ? CInt((deadline - now + 999_999) / 1_000_000) : 0
            let count = poll(&request, 1, left)
            if count < 0 && errno == EINTR && left > 0 { continue }
            return count > 0
        }
    }
}

/// The two ends of a pipe, to be taken one by one; what is not taken closes with it.
struct Pipe: ~Copyable {
    var reading: Descriptor?
    var writing: Descriptor?
    /// The numbers of the ends, for the call that hands one to a child.
    let readingEnd: CInt
    let writingEnd: CInt

    /// - Parameter isNeeded: without need it has no ends.
    init(isNeeded: Bool) throws(LabError) {
        var ends: [CInt] = [-1, -1]
        if isNeeded {
            guard lab_pipe2(&ends, O_CLOEXEC) == 0 else { throw LabError("create", "a pipe") }
        }
        readingEnd = ends[0]
        writingEnd = ends[1]
        reading = isNeeded ? Descriptor(adopting: ends[0]) : nil
        writing = isNeeded ? Descriptor(adopting: ends[1]) : nil
    }
}

/// CLOCK_MONOTONIC in nanoseconds, without the allocations and conversions of `ContinuousClock`.
package enum MonotonicClock {
    package static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

/// Small files of proc, sysfs and cgroupfs.
enum SmallFile {
    static func write(_ text: String, to path: String) throws(LabError) {
        let file = try Descriptor(opening: path, O_WRONLY)
        let bytes = Array(text.utf8)
        guard Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count else { throw LabError("write", path) }
    }

    static func read(_ path: String) throws(LabError) -> String {
        let file = try Descriptor(opening: path)
        var bytes: [UInt8] = []
        while true {
            let more = try file.read()
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }
}
