package import Glibc
package import SystemPackage

/// Where a standard stream of a child leads.
package enum ChildStream: Sendable {
    /// Where ours leads.
    case inherited
    case null
    /// To a descriptor of ours, or to a stream of the child before this one.
    case descriptor(Int32)
}

package enum Spawn {
    /// Starts a program with its standard streams. What signals this process, or one of its threads, ignores or blocks is its
    /// own business: a child starts with the defaults.
    ///
    /// - Parameters:
    ///   - program: a path, or a name that is looked for in PATH.
    ///   - arguments: the first one is the name that the program sees.
    ///   - environment: the whole of it, `NAME=value`; nil: ours.
    ///   - leadsGroup: its children are in a process group with it, and can be ended with it.
    package static func start(
        _ program: String, _ arguments: [String], environment: [String]? = nil,
        input: ChildStream = .null, output: ChildStream = .inherited, errors: ChildStream = .inherited,
        leadsGroup: Bool = false
    ) throws(Errno) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, stream) in [input, output, errors].enumerated() {
            lead(Int32(number), to: stream, &actions)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (leadsGroup ? POSIX_SPAWN_SETPGROUP : 0)
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var child: pid_t = 0
        let status = withCStrings(arguments) { arguments in
            guard let environment else {
                return posix_spawnp(&child, program, &actions, &attributes, arguments, environ)
            }
            return withCStrings(environment) { posix_spawnp(&child, program, &actions, &attributes, arguments, $0) }
        }
        guard status == 0 else { throw Errno(rawValue: status) }
        return child
    }

    private static func lead(_ number: Int32, to stream: ChildStream, _ actions: inout posix_spawn_file_actions_t) {
        switch stream {
        case .inherited: break
        case .null:
            let mode = number == STDIN_FILENO ? O_RDONLY : O_WRONLY
            posix_spawn_file_actions_addopen(&actions, number, "/dev/null", mode, 0)
        case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, number)
        }
    }
}

/// The texts as C has an argument list; the pointers live as long as the call.
private func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("an array with an element has an address") }
        return body(base)
    }
}
