import CNetworkLab
import Glibc
import SystemCalls
import SystemPackage

/// A program that dies in front of one of its own writes to the kernel: an entry of a map, a pin, an attached program.
///
/// The program itself is as it is: a seccomp filter makes the kernel ask before each of these calls. So a
/// crash can be put between any two writes of the very binary that is installed.
package enum WriteWatch {
    /// The descriptor at which the watching process finds the questions.
    private static let watchedDescriptor = STDIN_FILENO

    /// Becomes the program, watched by a child process that is started from `watcher`.
    package static func become(_ program: [String], watchedBy watcher: [String]) throws(LabError) -> Never {
        let listener = lab_ask_before_bpf_writes()
        guard listener >= 0 else { throw LabError("watch the writes of", program.first ?? "", errno: errno) }
        try start(watcher, listener)
        var pointers: [UnsafeMutablePointer<CChar>?] = program.map { strdup($0) } + [nil]
        execvp(program.first ?? "", &pointers)
        throw LabError("run", program.first ?? "", errno: errno)
    }

    private static func start(_ watcher: [String], _ listener: CInt) throws(LabError) {
        do {
            _ = try Spawn.start(watcher.first ?? "", watcher, input: .descriptor(listener))
        } catch {
            throw LabError("start", watcher.first ?? "", errno: error.rawValue)
        }
    }

    /// The watching process's work: lets writes pass, and kills the program, its parent, in front of one of them.
    ///
    /// - Parameter number: which write is not to happen, counted from 1.
    package static func killParent(atWrite number: Int) {
        let parent = getppid()
        var passed = 0
        while getppid() == parent {
            // The program may end at any moment, which a listener whose filter we inherited is not told.
            var request = pollfd(fd: watchedDescriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&request, 1, 100) > 0 else { continue }
            var id: UInt64 = 0
            guard lab_next_bpf_write(watchedDescriptor, &id) == 0 else { continue }
            passed += 1
            if passed == number {
                kill(parent, SIGKILL)
                return
            }
            _ = lab_allow_bpf_write(watchedDescriptor, id)
        }
    }
}
