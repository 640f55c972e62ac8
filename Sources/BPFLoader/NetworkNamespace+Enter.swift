import CLibbpf
import Glibc
package import SystemPackage
import SystemCalls

extension NetworkNamespace {
    /// Moves the calling thread into a network namespace for the rest of its life.
    ///
    /// The thread must be one that ends soon and runs nothing else: a task may change threads at every `await`.
    /// - Parameter path: such as `/proc/PID/ns/net`, or a file below `/run/netns`.
    package static func enter(_ path: FilePath) throws(BPFError) {
        let subject = "network namespace \(path)"
        let descriptor = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw BPFError(.enter, subject, .last) }
        let namespace = Descriptor(adopting: descriptor)
        let status = swl_enter_network_namespace(namespace.rawValue)
        guard status < 0 else { return }
        let cause = Errno(rawValue: -status)
        throw BPFError(.enter, subject, cause, advice: cause == .notPermitted ? "grant CAP_SYS_ADMIN" : nil)
    }

    /// Runs a closure in another network namespace, and comes back. The thread must run nothing else meanwhile.
    package static func visit<Value>(_ path: FilePath, _ body: () -> Value) throws(BPFError) -> Value {
        let descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw BPFError(.enter, "the own network namespace", .last) }
        let home = Descriptor(adopting: descriptor)
        try enter(path)
        let value = body()
        try enter(FilePath("/proc/self/fd/\(home.rawValue)"))
        return value
    }
}
