import ArgumentParser
import Glibc
import NetworkLab

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Be a pod: say who you are, then echo.",
        discussion: """
            TCP: on accept one line "NAME LOCAL PEER", both addresses as the pod sees them; then everything is echoed.
            UDP: each datagram is answered with "NAME PEER PAYLOAD".
            The default address :: answers IPv4 as well. Prints "ready" when it listens; ends on SIGTERM.

              swiftlet-lab serve --name pod-1 --tcp 8080 --udp 8080
            """)

    @Option(help: "What it calls itself.")
    var name: String

    @Option(name: .customLong("tcp"), help: "A TCP port; repeatable.")
    var tcpPorts: [UInt16] = []

    @Option(name: .customLong("udp"), help: "A UDP port; repeatable.")
    var udpPorts: [UInt16] = []

    @Option(name: .customLong("dns"), help: "A UDP port at which DNS questions get empty answers; repeatable.")
    var dnsPorts: [UInt16] = []

    @Option(
        name: .customLong("farewell"), help: "A TCP port at which each connection is closed after its line; repeatable."
    )
    var farewellPorts: [UInt16] = []

    @Flag(help: "Add the port to the name: pod-1:8080.")
    var namePorts = false

    @Option(help: "Where to listen.")
    var address: String = "::"

    func validate() throws {
        if (tcpPorts + udpPorts + dnsPorts + farewellPorts).isEmpty {
            throw ValidationError("give a port: --tcp 8080 or --udp 8080")
        }
        if SocketAddress(host: address, port: 1) == nil { throw ValidationError("'\(address)' is not an address") }
    }

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        DescriptorLimit.raise()
        let pod = try EchoPod()
        for port in tcpPorts { try pod.listen(.tcp, on: try listenAddress(port), as: name(at: port)) }
        for port in farewellPorts { try pod.sayFarewell(on: try listenAddress(port), as: name(at: port)) }
        for port in udpPorts { try pod.listen(.udp, on: try listenAddress(port), as: name(at: port)) }
        for port in dnsPorts { try pod.answerQuestions(on: try listenAddress(port)) }
        Output.line("ready")
        try pod.serve()
    }

    private func name(at port: UInt16) -> String { namePorts ? "\(name):\(port)" : name }

    private func listenAddress(_ port: UInt16) throws -> SocketAddress {
        guard let address = SocketAddress(host: address, port: port) else {
            throw ValidationError("'\(self.address)' is not an address")
        }
        return address
    }
}
