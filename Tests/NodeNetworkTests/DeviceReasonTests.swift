import Foundation
import NodeNetwork
import ServiceModel
import Testing

/// What `status` says of a device, and what docs/configure.md says that it says.
@Suite struct DeviceReasonTests {
    @Test("each reason for a device is in the documentation's table, with names for what varies")
    func areDocumented() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("docs/configure.md"), encoding: .utf8)
        let address = try #require(IPAddress("192.0.2.1"))
        let reasons: [DeviceSelection.Reason] = [
            .namedAsDevice(pattern: "PATTERN"), .namedAsPodInterface(pattern: "PATTERN"), .holdsNodeAddress(address),
            .holdsDefaultRoute(.v4), .leadsToNodes(kind: "KIND"), .isLoopback, .isDown, .isTakenOut(pattern: "PATTERN"),
            .isPort(of: "MASTER"), .isNotNamed, .isNotWanted, .holdsNothing, .leadsToEndpoints(address),
            .leadsToPods(address), .foundAsPodInterface(address), .foundAsPort(of: "BRIDGE"), .foundByRoute,
        ]
        for reason in reasons {
            let text = reason.description.replacingOccurrences(of: "\(address)", with: "ADDRESS")
            #expect(page.contains("`\(text)`"), "\(text)")
        }
    }
}
