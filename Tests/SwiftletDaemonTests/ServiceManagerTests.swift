import Foundation
import SwiftletDaemon
import TestKit
import Testing

@Suite("what a service manager is told")
struct ServiceManagerTests {
    @Test("one datagram has all that is said at once, by path or abstract name", arguments: [false, true])
    func tells(isAbstract: Bool) throws {
        let directory = try TemporaryDirectory()
        let socket = try NotifySocket(isAbstract ? "@swl-\(getpid())-\(UUID())" : "\(directory.path)/notify")
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": socket.name])
        #expect(manager.listens)
        manager.tell("READY=1", "STATUS=serving")
        #expect(socket.receive() == ["READY=1", "STATUS=serving"])
    }

    @Test("nothing is said where nothing listens", arguments: [[:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "tcp:1"]])
    func isSilent(environment: [String: String]) {
        let manager = ServiceManager(environment: environment)
        #expect(!manager.listens)
        manager.tell("READY=1")
    }

    @Test("a manager that went away, or a name that is too long for a socket, costs nothing")
    func survives() throws {
        for name in ["/nonexistent/notify", "/" + String(repeating: "x", count: 200)] {
            ServiceManager(environment: ["NOTIFY_SOCKET": name]).tell("READY=1")
        }
    }

    @Test("the watchdog is fed twice in its time, and only when it waits for this process")
    func watchdog() {
        func period(_ environment: [String: String]) -> Duration? {
            ServiceManager(environment: environment, process: 7).watchdogPeriod
        }
        #expect(period(["WATCHDOG_USEC": "30000000"]) == .seconds(15))
        #expect(period(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"]) == .seconds(15))
        #expect(period(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"]) == nil)
        #expect(period(["WATCHDOG_USEC": "0"]) == nil)
        #expect(period(["WATCHDOG_USEC": "soon"]) == nil)
        #expect(period([:]) == nil)
    }
}
