import Glibc
import ServiceLifecycle

/// The service manager that started this process, such as systemd: told of its state by datagrams, as sd_notify(3)
/// describes them. One that does not listen is told nothing.
package struct ServiceManager: Sendable {
    /// The path of a socket, or its abstract name after an `@`.
    private let address: String?
    /// Half the time within which it wants to hear that this process goes on; nil when it does not ask.
    package let watchdogPeriod: Duration?

    package init(environment: [String: String], process: Int32 = getpid()) {
        address = environment["NOTIFY_SOCKET"].flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        // Another process of ours may inherit the variables.
        let isMeant = environment["WATCHDOG_PID"].map { $0 == "\(process)" } ?? true
        watchdogPeriod =
            isMeant
            ? environment["WATCHDOG_USEC"].flatMap(Int64.init).flatMap { $0 > 0 ? .microseconds($0 / 2) : nil } : nil
    }

    package var listens: Bool { address != nil }

    /// - Parameter state: assignments, such as `READY=1`. One that cannot be delivered is lost: the manager has its own
    ///   time-outs.
    package func tell(_ state: String...) {
        guard let address else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let text = Array(state.joined(separator: "\n").utf8)
        withSocketAddress(address) { socketAddress, length in
            _ = sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT), socketAddress, length)
        }
    }

    /// An abstract name is as long as it is, and begins with a zero byte in place of the `@`.
    private func withSocketAddress(_ name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Void) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        if bytes.first == UInt8(ascii: "@") { address.sun_path.0 = 0 }
        let length = MemoryLayout<sa_family_t>.size + bytes.count + (bytes.first == UInt8(ascii: "@") ? 0 : 1)
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}

/// Keeps the service manager told while the daemon runs.
struct ServiceManagerService: ServiceLifecycle.Service {
    /// How long a start waits for the first list. A kubelet that is ordered after us may be what starts the API server.
    static let patience = Duration.seconds(20)

    let manager: ServiceManager
    let control: KernelControlPlane

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await sayThatTheStartIsOver() }
                if let period = manager.watchdogPeriod {
                    group.addTask { await feedWatchdog(each: period) }
                }
                // A part that ends would end the daemon.
                while (try? await Task.sleep(for: .seconds(3600))) != nil {}
                group.cancelAll()
            }
        }
        manager.tell("STOPPING=1")
    }

    private func sayThatTheStartIsOver() async {
        guard (try? await Task.sleep(for: Self.patience)) != nil, await !control.hasCompleteList else { return }
        manager.tell("READY=1", "STATUS=no list of the API server yet; serving what was known before")
    }

    /// An actor that hangs answers nothing, and the manager hears nothing.
    private func feedWatchdog(each period: Duration) async {
        repeat {
            _ = await control.hasCompleteList
            manager.tell("WATCHDOG=1")
        } while (try? await Task.sleep(for: period)) != nil
    }
}
