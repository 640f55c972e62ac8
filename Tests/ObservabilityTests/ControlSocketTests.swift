import DatapathInstall
import FoundationEssentials
import Glibc
import NetworkLab
import Synchronization
import SystemPackage
import TestKit
import Testing
@testable import Observability
@testable import SwiftletDaemon

@Suite("The control socket")
struct ControlSocketTests {
    private let directory = RunDirectory(bpfRoot: FilePath("/sys/fs/bpf/control-test-\(getpid())"))

    /// A connection that says this and then nothing.
    private func silent(_ words: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: directory.socket.string.utf8) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(status == 0)
        send(descriptor, words, words.utf8.count, Int32(MSG_NOSIGNAL))
        return descriptor
    }

    @Test("many ask at once, long answers too, and those who say nothing keep nobody waiting", .timeLimit(.minutes(5)))
    func manyClients() async throws {
        try directory.create()
        defer { directory.remove() }
        let long = Data(repeating: UInt8(ascii: "7"), count: 3 << 20)
        let busy = Mutex((now: 0, most: 0))
        let service = try ControlSocketService(directory: directory) { request in
            if request == .status {
                busy.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                try? await Task.sleep(for: .milliseconds(300))
                busy.withLock { $0.now -= 1 }
            }
            return request == .services ? long : Data("\"\(request.rawValue)\"".utf8)
        }
        var status = stat()
        #expect(lstat(directory.socket.string, &status) == 0 && status.st_mode & 0o7777 == 0o600)
        let directory = directory
        // Other tests may hold all threads for longer than a person would wait.
        let ask = { @Sendable (request: ControlRequest) in ControlClient.ask(request, at: directory, within: 120) }
        // Before it runs: this one waits.
        let early = Task { try await onThread { ask(.listen) } }
        let silent = ["", "GET /sta", "status\n"].map(silent)
        defer { for descriptor in silent { close(descriptor) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            let answers = await withTaskGroup { clients in
                for _ in 0..<16 {
                    clients.addTask { (try? await onThread { ask(.status) }) ?? nil }
                }
                return await clients.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0 == Data("\"status\"".utf8) })
            #expect(busy.withLock(\.most) > 1)
            #expect(try await onThread { ask(.services) } == long)
            let first = try await early.value
            #expect(first == Data("\"listen\"".utf8))
            group.cancelAll()
        }
        #expect(lstat(directory.socket.string, &status) != 0)
        #expect(try await onThread { ask(.status) } == nil)
    }
}
