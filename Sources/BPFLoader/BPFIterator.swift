import CLibbpf
import Glibc
package import SystemPackage
import SystemCalls

/// A program that the kernel runs for each of its objects of one kind, such as each UDP socket, whenever it is told to.
package struct BPFIterator: ~Copyable, Sendable {
    private let link: Descriptor
    private let name: String

    /// Takes a program of a section such as `iter/udp`.
    package init(_ program: borrowing BPFProgram) throws(BPFError) {
        let subject = "\(program.name) to its iterator"
        let descriptor = bpf_link_create(program.descriptor.rawValue, 0, BPF_TRACE_ITER, nil)
        link = Descriptor(adopting: try checked(descriptor, .attach, subject))
        name = program.name
    }

    /// Walks over all objects once. Sockets are those of the calling thread's network namespace.
    ///
    /// A program that writes nothing is run exactly once for each object: only output that does not fit is written anew.
    package func run() throws(BPFError) {
        try finish(Descriptor(adopting: try checked(bpf_iter_create(link.rawValue), .run, name)))
    }

    /// The same, where another process begins the walk: sockets are those of its network namespace.
    ///
    /// - Parameter begin: takes the link, and gives what `bpf_iter_create` does.
    package func run(_ begin: (_ link: Int32) throws(BPFError) -> FileDescriptor) throws(BPFError) {
        try finish(Descriptor(adopting: try begin(link.rawValue).rawValue))
    }

    private func finish(_ walk: consuming Descriptor) throws(BPFError) {
        var output: [UInt8] = [UInt8](repeating: 0, count: 256)
        while true {
            let count = read(walk.rawValue, &output, output.count)
            if count == 0 { return }
            // After a million objects without output the kernel wants to be asked to go on.
            guard count > 0 || errno == EAGAIN || errno == EINTR else { throw BPFError(.run, name, .last) }
        }
    }
}
