import Foundation
import NetworkLab
import Synchronization
import Testing
@testable import Observability
@testable import SwiftletDaemon

/// A headless browser, if `SWIFTLET_BROWSER` names one. It takes both cores for a minute, which tests with limits that run
/// beside it do not survive.
private enum Browser {
    static let path = ProcessInfo.processInfo.environment["SWIFTLET_BROWSER"]

    /// Runs it to its end.
    /// - Returns: what it printed, with its complaints.
    static func run(_ arguments: [String]) throws -> String {
        let profile = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-browser-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: profile) }
        let flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--enable-logging=stderr", "--user-data-dir=\(profile)",
        ]
        var child = try ChildProcess([path ?? "chromium"] + flags + arguments, output: .pipe, errors: .merged)
        let output = try child.readToEnd(within: 180_000)
        _ = try child.wait()
        return output
    }
}

/// The page as a browser sees it, under its own content security policy. Screenshots stay in SWIFTLET_SCREENSHOTS.
@Suite(
    "The status page in Chromium", .serialized, .timeLimit(.minutes(10)),
    .enabled(if: Browser.path != nil, "SWIFTLET_BROWSER names no browser, such as /usr/bin/chromium"))
struct StatusPageBrowserTests {
    private let listening = Listening()

    private func whileServing(_ body: (String) async throws -> Void) async throws {
        let asked = Mutex(0)
        let content = OperatorEndpoints.Content(
            metrics: { [] }, proxyMode: "ebpf", configuration: { "{}" },
            page: { nonce in
                var page = StatusPage.sample(
                    problems: ["cannot follow services: https://10.0.0.1:6443: connection refused; is it up?"],
                    services: ServiceListing.sample(
                        broken: "2 pods match, none ready: web-a (readiness), web-b (Pending)"))
                page.counters["asked"] = asked.withLock {
                    $0 += 1; return UInt64($0)
                }
                return page.html(nonce: nonce).description
            })
        let endpoints = OperatorEndpoints(
            healthAddress: nil, metricsAddress: ListenAddress(host: "127.0.0.1", port: 0), health: HealthMonitor(),
            content: content, problems: listening.problems, log: listening.log, pauses: Listening.pauses,
            onListening: listening.took)
        try await listening.during(endpoints) {
            try await body("http://127.0.0.1:\(await listening.port().port)/")
        }
    }

    @Test("follows by itself, and nothing of it is refused by its own policy")
    func follows() async throws {
        try await whileServing { url in
            let output = try await onThread { try Browser.run(["--virtual-time-budget=12000", "--dump-dom", url]) }
            let row = try #require(output.firstRange(of: "<td>asked</td><td class=\"number\">"), "\(output)")
            let count = output[row.upperBound...].prefix { $0 != "<" }
            #expect((Int(count) ?? 0) >= 2, "the page that is shown is the first one: \(count)")
            #expect(!output.contains("Content Security Policy") && !output.contains("Uncaught"), "\(output)")
        }
    }

    @Test("is drawn on a phone and on a wide screen", arguments: ["400,1700", "1400,1150"])
    func draws(size: String) async throws {
        try await whileServing { url in
            let given = ProcessInfo.processInfo.environment["SWIFTLET_SCREENSHOTS"]
            let directory = given ?? FileManager.default.temporaryDirectory.path
            let file = "\(directory)/swiftlet-status-\(size.replacing(",", with: "x")).png"
            defer { if given == nil { try? FileManager.default.removeItem(atPath: file) } }
            let output = try await onThread {
                try Browser.run(["--hide-scrollbars", "--window-size=\(size)", "--screenshot=\(file)", url])
            }
            let length = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
            #expect(length > 10_000, "\(output)")
        }
    }

    /// The browser waits for answers that tasks give: it must not take a thread of theirs.
    private func onThread(_ body: @escaping @Sendable () throws -> String) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }
}
