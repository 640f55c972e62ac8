import Foundation
import NetworkLab
import TestKit
import Testing

@Suite("a daemon under a service manager", .tags(.endToEnd), .endToEnd, .serialized, .node(starts: false))
struct ServiceManagerTests {
    @Test("it is ready when the hooks are attached, feeds the watchdog, and says that it stops")
    func lifeCycle() throws {
        let node = try TestNode.current
        try node.write(ServedManifests.web, to: "web.yaml")
        let socket = try NotifySocket("\(node.manifests).notify")
        try node.launch(
            command: ["env", "NOTIFY_SOCKET=\(socket.name)", "WATCHDOG_USEC=200000"] + node.runArguments())
        var told: [String] = []
        while !(told.contains("READY=1") && told.contains("WATCHDOG=1")), let more = socket.receive(within: 30_000) {
            told += more
        }
        #expect(told.contains("READY=1") && told.contains("STATUS=serving") && told.contains("WATCHDOG=1"), "\(told)")
        #expect(node.logText.contains("attached the hooks"))
        #expect(try node.stop() == .exited(0))
        told = []
        while let more = socket.receive(within: 100) { told += more }
        #expect(told.last == "STOPPING=1")
    }
}
