import ArgumentParser
import NetworkLab

struct KillAtWrite: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program, and kill it in front of one of its writes to the kernel.",
        discussion: """
            A write is a bpf(2) call that changes what others see: an entry of a map, or a batch of them, a pin, an attached
            program. The program keeps this process's pid. It runs on if it makes fewer writes.

              swiftlet-lab kill-at-write 17 -- build/swiftlet run --kube-proxy-replacement=true --manifests examples
            """)

    @Argument(help: "Which write is not to happen, counted from 1.")
    var number: Int

    @Argument(parsing: .postTerminator, help: "The program and its arguments.")
    var program: [String]

    func validate() throws {
        if number < 1 || program.isEmpty { throw ValidationError("say which write, and which program after --") }
    }

    func run() throws {
        try WriteWatch.become(program, watchedBy: ["/proc/self/exe", "watch-writes", "\(number)"])
    }
}

/// The other half of `kill-at-write`, in a process of its own.
struct WatchWrites: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Started by kill-at-write.", shouldDisplay: false)

    @Argument var number: Int

    func run() { WriteWatch.killParent(atWrite: number) }
}
