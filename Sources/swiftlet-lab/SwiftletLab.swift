import ArgumentParser
package import NetworkLab

@main
struct SwiftletLab: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet-lab",
        abstract: "Echo pods, clients and an API server: what the demo and the end-to-end tests drive.",
        discussion: """
            Every command prints JSON with -o json (the default), one document a line, for programs to read.
            Addresses are written 10.96.0.15:80 and [fd00::15]:80. A result is "ok" or the kernel's error name,
            such as "ECONNREFUSED"; "stage" names the call that failed: socket, bind, connect, send, receive.
            Exit code: 0 when every result was the expected one, 1 when not, 64 for wrong usage.
            """,
        subcommands: [
            Serve.self, Call.self, Load.self, Bind.self, Hold.self, Stream.self, APIServer.self, BenchStart.self,
            BenchPackets.self, Churn.self, OtherBuild.self, Soak.self, SoakClient.self, SoakBystanders.self,
            KillAtWrite.self,
            WatchWrites.self,
        ])
}

extension SocketAddress: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case json
    case text
}

/// What a caller takes for success.
struct Expectation: ExpressibleByArgument {
    let result: String

    /// `ok`, `refused`, `timeout`, or an error name such as `EADDRINUSE`.
    init?(argument: String) {
        switch argument.lowercased() {
        case "ok": result = "ok"
        case "refused": result = "ECONNREFUSED"
        case "timeout": result = "ETIMEDOUT"
        case let other where other.hasPrefix("e"): result = other.uppercased()
        default: return nil
        }
    }

    static let ok = Expectation(result: "ok")
    private init(result: String) { self.result = result }

    var defaultValueDescription: String { result }

    func check(_ results: some Sequence<String>) throws {
        if results.contains(where: { $0 != result }) { throw ExitCode.failure }
    }
}
