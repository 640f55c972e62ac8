import ArgumentParser
import SwiftletDaemon
import SystemPackage

struct NamespacesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "namespaces",
        abstract: "Enter pods' network namespaces for a `swiftlet run` that may not.",
        discussion: """
            Needs CAP_SYS_ADMIN and CAP_SYS_PTRACE, the node's process ids, and the same user as `swiftlet run`; on kernels
            before 6.5 also CAP_NET_ADMIN. It gives up all else, and nearly all system calls.

            Example:
              swiftlet namespaces
            """)

    @OptionGroup var pins: PinOptions

    func run() throws {
        try NamespaceProcess.run(bpfRoot: FilePath(pins.bpfRoot)) { Terminal.write(error: $0) }
    }
}
