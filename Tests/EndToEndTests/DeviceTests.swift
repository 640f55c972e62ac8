import NetworkLab
import Testing

/// Programs on devices, as a daemon finds them and leaves them.
@Suite(
    "devices", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 3, starts: false, manifests: ["web.yaml": ServedManifests.web]))
struct DeviceTests {
    private static let frontend = "192.0.2.1:30080"

    @Test("packets are translated without the daemon, and no more once another one is told to leave the devices alone")
    func follows() throws {
        let node = try TestNode.current
        let arguments = Array(node.runArguments().dropFirst())
        try node.start()
        #expect(try node.call(Self.frontend, "--count", "5", from: .outside).results == ["ok"])
        try node.stop()
        #expect(try node.call(Self.frontend, "--count", "5", from: .outside).results == ["ok"])

        try node.start(with: arguments + ["--devices", "none"])
        #expect(try node.call(Self.frontend, from: .outside).summary.ok == 0)
        #expect(try node.call(Self.frontend, from: .pod(1)).results == ["ok"])
        try node.stop()

        try node.start(with: arguments)
        #expect(try node.call(Self.frontend, "--count", "5", from: .outside).results == ["ok"])
        try node.stop()
    }
}
