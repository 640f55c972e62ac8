import ArgumentParser
import NetworkLab

struct Bind: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try to bind and listen; say whether that was allowed.",
        discussion: """
            JSON: {"address", "protocol", "result", "stage"}

              swiftlet-lab bind 30080 --expect EADDRINUSE
            """)

    @Argument(help: "The port.")
    var port: UInt16

    @Flag(name: .customLong("udp"), help: "UDP instead of TCP.")
    var udp = false

    @Option(help: "The address; 0.0.0.0 for IPv4 only.")
    var address = "::"

    @Option(help: "The result that it must have: ok, or an error name.")
    var expect = Expectation.ok

    func run() throws {
        guard let wanted = SocketAddress(host: address, port: port) else {
            throw ValidationError("'\(address)' is not an address")
        }
        var result = "ok"
        var stage: String?
        do {
            _ = try Socket.bound(udp ? .udp : .tcp, to: wanted)
        } catch {
            result = error.name
            stage = error.call
        }
        let report = JSON.object([
            ("address", .string("\(wanted)")), ("protocol", .string(udp ? "UDP" : "TCP")),
            ("result", .string(result)), ("stage", .optional(stage)),
        ])
        Output.line(report.text)
        try expect.check([result])
    }
}
