import NetworkLab
import Testing

/// Ports of a client, and of the node, that come again while an endpoint has their last connection in TIME_WAIT.
@Suite("many short connections of one client", .tags(.endToEnd), .endToEnd, .serialized)
struct ChurnTests {
    /// What `swiftlet-lab churn -o json` prints.
    private struct Line: Decodable {
        var proxy: String
        var closing: String
        var connections: Int
        var failed: Int
        var resets: Int
    }

    /// The client has few ports: each comes again many times by each of four frontends. As kube-proxy's rules have it, one
    /// in twelve then meets an old connection.
    @Test(
        "none fails, and none meets one in TIME_WAIT, where endpoints close first",
        arguments: [[], ["--local"], ["--ipv6"], ["--run=--pod-interfaces", "--run=pod-*"]])
    func endpointFirst(_ options: [String]) throws {
        let line = try churn(["--closing", "endpoint", "--client-ports", "40000-40199"] + options)
        #expect(line.failed == 0 && line.resets == 0, "\(line)")
    }

    /// The client's own ports are in TIME_WAIT: its kernel does not take them again.
    @Test("none fails where the client closes first", arguments: [[], ["--local"]])
    func clientFirst(_ options: [String]) throws {
        let line = try churn(["--closing", "client"] + options)
        #expect(line.failed == 0 && line.resets == 0, "\(line)")
    }

    private func churn(_ options: [String]) throws -> Line {
        let load = ["--seconds", "5", "--rate", "600", "--endpoints", "2", "--alone", "-o", "json"]
        let lines: [Line] = try Programs.decode(
            from: [Programs.lab, "churn", "--swiftlet", Programs.swiftlet] + load + options)
        let line = try #require(lines.first)
        #expect(lines.count == 1 && line.connections > 500, "\(lines)")
        return line
    }
}
