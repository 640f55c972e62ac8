import ArgumentParser
import Reporting
import SwiftletDaemon

struct AffinityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "affinity",
        abstract: "Show which client is bound to which backend by sessionAffinity: ClientIP.",
        discussion: """
            A client of a socket that the hooks see is its network namespace, so that a whole pod is one client; a client of
            packets is its source address.

            Examples:
              swiftlet affinity
              swiftlet affinity default/web
              swiftlet affinity 198.51.100.7
              swiftlet affinity -n prod -o json
            """)

    @Flag(help: "Clients as well whose time is over.")
    var all = false

    @OptionGroup var options: MemoryOptions

    func run() throws {
        let filter = try options.filter()
        let memory = try options.memory()
        let sockets = try OpenSockets(lookingWith: options.pins.pins)
        let clients = try memory.affinities(of: sockets, includingOver: all).filter { client in
            let ends = [client.client.map { ($0, nil) }, client.backend.flatMap(Self.end)].compactMap(\.self)
            return filter.admits(client.servicePort, client.protocol, ends: ends)
        }
        try options.show(clients, of: memory, as: "affinities", servicePort: \.servicePort) {
            var table = Table("SERVICE", "PROTOCOL", "CLIENT", "BACKEND", "IDLE", "EXPIRES IN")
            for client in clients {
                table.add(
                    client.servicePort.text, client.protocol, client.text, client.backend ?? "gone",
                    spanText(client.idleSeconds), spanText(client.expiresInSeconds))
            }
            return table
        }
    }

    /// Of `10.244.1.5:8080`, or an IPv6 address in brackets.
    private static func end(_ socket: String) -> (String, Int?)? {
        guard let colon = socket.lastIndex(of: ":") else { return nil }
        let host = socket[..<colon].filter { $0 != "[" && $0 != "]" }
        return (String(host), Int(socket[socket.index(after: colon)...]))
    }
}

extension RememberedAffinity {
    /// The address, or the network namespace by what is known of it.
    fileprivate var text: String {
        client ?? clientName ?? "network namespace \(clientNamespace ?? 0)"
    }
}
