import Glibc
import Logging
import NIOCore
import SystemCalls
import SystemPackage

/// Listens for as long as its task lives. A port that is taken is a problem that is reported and tried again; it
/// ends nothing.
struct PersistentListener: Sendable {
    /// Pauses between attempts: doubling from the first to the last.
    struct Pauses: Sendable {
        var first = Duration.seconds(5)
        var last = Duration.seconds(60)
    }

    let listener: HTTPListener
    /// What it is for, in the words of logs: `metrics`.
    let purpose: @Sendable () -> String
    /// Where the address comes from: `--metrics-bind-address`.
    let setting: String
    var pauses = Pauses()
    let problems: ListenProblems
    let log: Logger
    /// Called each time that it begins to listen, with the port.
    var onListening: @Sendable (UInt16) -> Void = { _ in }

    func run() async {
        let address = listener.address
        var pause = pauses.first
        while !Task.isCancelled {
            do throws(ListenError) {
                try await listener.run { port in
                    problems.set(address, to: nil)
                    log.info("listening", metadata: ["for": "\(purpose())", "address": "\(address)"])
                    onListening(port)
                }
                pause = pauses.first
            } catch {
                let verb = error.code == EADDRINUSE ? "stop that process or change" : "check"
                let advice = Errno(rawValue: error.code).remedy(or: "\(verb) \(setting)")
                tell("cannot listen on \(address) for \(purpose()): \(await error.explained()); \(advice)")
            }
            guard await problems.wait(pause, for: address) else { break }
            pause = min(pause * 2, pauses.last)
        }
        problems.set(address, to: nil)
    }

    /// Logs a problem when it appears and when it changes, not at every attempt.
    private func tell(_ problem: String) {
        let isNew = problems.text(of: listener.address) != problem
        problems.set(listener.address, to: problem)
        guard isNew else { return }
        log.warning("cannot listen, trying again", metadata: ["cause": "\(problem)"])
    }
}
