import ArgumentParser
import Reporting
import SwiftletDaemon

struct SocketsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sockets",
        abstract: "Show the sockets that are translated: what they asked for, and which backend they have.",
        discussion: """
            The process is shown where it may be looked at (root, CAP_SYS_PTRACE).

            Examples:
              swiftlet sockets
              swiftlet sockets default/web
              swiftlet sockets 10.244.0.11
              swiftlet sockets --pid 411 -o json
            """)

    @Option(help: ArgumentHelp("Only sockets of this process.", valueName: "pid"))
    var pid: Int32?

    @OptionGroup var options: MemoryOptions

    func run() throws {
        let filter = try options.filter()
        let memory = try options.memory()
        if let pid { try ProcessEntry.mustRun(pid) }
        let open = try OpenSockets(lookingWith: options.pins.pins)
        let sockets = try memory.sockets(of: open).filter { socket in
            (pid == nil || socket.pid == pid)
                && filter.admits(
                    socket.servicePort, socket.protocol,
                    ends: [(socket.vip, socket.vipPort), (socket.backend, socket.backendPort)])
        }
        try options.show(sockets, of: memory, as: "sockets", servicePort: \.servicePort) {
            var table = Table("PROTOCOL", "ASKED", "BACKEND", "SOCKET", "PROCESS", "SERVICE")
            for socket in sockets {
                table.add(
                    socket.protocol, socketText(socket.vip, socket.vipPort),
                    socketText(socket.backend, socket.backendPort), socket.kind, socket.process,
                    socket.servicePort.text)
            }
            return table
        }
        guard !options.format.output.isData, open.hidden > 0 else { return }
        Terminal.write(
            error: "\(open.hidden) \(open.hidden == 1 ? "process" : "processes") may not be looked into; run as root")
    }
}

extension RememberedSocket {
    fileprivate var process: String { pid.map { "\($0) (\(command ?? "?"))" } ?? "-" }
}
