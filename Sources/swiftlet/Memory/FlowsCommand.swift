import ArgumentParser
import Reporting
import SwiftletDaemon

struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "Show the flows that are translated packet by packet.",
        discussion: """
            These are connections and UDP flows of clients whose sockets the hooks do not see: outside the node, and of
            pods where only the host's sockets are served. `swiftlet sockets` has the others.

            Examples:
              swiftlet flows
              swiftlet flows default/web
              swiftlet flows 198.51.100.7 -o wide
              swiftlet flows 10.244.0.11:8080 -o json
            """)

    @Flag(help: "Flows as well that are over, and whose place has not been needed yet.")
    var all = false

    @OptionGroup var options: MemoryOptions

    func run() throws {
        let filter = try options.filter()
        let memory = try options.memory()
        let flows = try memory.flows(includingOver: all).filter { flow in
            filter.admits(
                flow.servicePort, flow.protocol,
                ends: [(flow.client, flow.clientPort), (flow.vip, flow.vipPort), (flow.backend, flow.backendPort)])
        }
        try options.show(flows, of: memory, as: "flows", servicePort: \.servicePort) {
            options.format.output == .wide ? wideTable(flows) : table(flows)
        }
    }

    private func table(_ flows: [RememberedFlow]) -> Table {
        var table = Table("PROTOCOL", "CLIENT", "ASKED", "BACKEND", "STATE", "IDLE", "SERVICE")
        for flow in flows {
            table.add(
                flow.protocol, socketText(flow.client, flow.clientPort), socketText(flow.vip, flow.vipPort),
                socketText(flow.backend, flow.backendPort), flow.state, spanText(flow.idleSeconds),
                flow.servicePort.text)
        }
        return table
    }

    private func wideTable(_ flows: [RememberedFlow]) -> Table {
        var table = Table(
            "PROTOCOL", "CLIENT", "ASKED", "BACKEND", "SEEN AS", "STATE", "PATH", "IDLE", "EXPIRES IN", "SERVICE")
        for flow in flows {
            let node = flow.node.flatMap { node in flow.nodePort.map { socketText(node, $0) } }
            table.add(
                flow.protocol, socketText(flow.client, flow.clientPort), socketText(flow.vip, flow.vipPort),
                socketText(flow.backend, flow.backendPort), node ?? "-", flow.state, flow.path,
                spanText(flow.idleSeconds), spanText(flow.expiresInSeconds), flow.servicePort.text)
        }
        return table
    }
}
