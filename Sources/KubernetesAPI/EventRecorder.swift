import AsyncHTTPClient
import FoundationEssentials
import KubernetesObjects
package import Logging
package import ServiceModel
import Synchronization
import SystemCalls

/// Something that the owner of a Service should hear of, where `kubectl describe` shows it.
package struct ServiceWarning: Sendable, Hashable {
    package var service: ObjectName
    /// A word for programs, in camel case: `PortConflict`.
    package var reason: String
    /// What was about to be done: `Programming`.
    package var action: String
    package var note: String
    /// It is about this node, which the Event names; others may find the same of theirs, and one Event is enough.
    package var isOfNode: Bool

    package init(service: ObjectName, reason: String, action: String, note: String, isOfNode: Bool = false) {
        self.service = service
        self.reason = reason
        self.action = action
        self.note = note
        self.isOfNode = isOfNode
    }
}

/// Writes Kubernetes Events, few of them, and never makes the caller wait.
///
/// A class because recording and posting share its counts.
package final class EventRecorder: Sendable {
    package struct Counts: Sendable, Hashable {
        package var posted = 0
        /// The API server refused, or could not be reached: an Event is not worth a second attempt.
        package var failed = 0
        /// Another node has said it.
        package var shared = 0
        /// Said already, or too many.
        package var suppressed = 0
    }

    private struct State {
        var limiter = EventLimiter()
        var counts = Counts()
        var isForbidden = false
    }

    private static let longestNote = 1024

    private let connection: APIConnection
    private let nodeName: String
    private let requests: RequestBoard
    private let timeouts: Timeouts
    private let time: Timekeeper
    private let log: Logger
    private let state = Mutex(State())
    private let warnings: AsyncStream<ServiceWarning>
    private let inbox: AsyncStream<ServiceWarning>.Continuation

    package init(
        _ connection: APIConnection, nodeName: String, requests: RequestBoard = RequestBoard(),
        timeouts: Timeouts = Timeouts(), time: Timekeeper, log: Logger
    ) {
        self.requests = requests
        self.connection = connection
        self.nodeName = nodeName
        self.timeouts = timeouts
        self.time = time
        self.log = log
        (warnings, inbox) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(EventLimiter.burst))
    }

    package var counts: Counts { state.withLock { $0.counts } }

    /// Takes note of a warning and returns at once.
    package func record(_ warning: ServiceWarning) {
        let isAdmitted = state.withLock { $0.limiter.admit(warning, at: time.now()) }
        if isAdmitted, case .enqueued = inbox.yield(warning) { return }
        state.withLock { $0.counts.suppressed += 1 }
    }

    /// Posts what is recorded until the task is cancelled.
    package func run() async {
        await APISession.with(connection, requests: requests, time: time, timeouts: timeouts) { session in
            for await warning in warnings { await post(warning, session) }
        }
    }

    private func post(_ warning: ServiceWarning, _ session: APISession) async {
        let namespace = warning.service.namespace
        let request = APIRequest(
            verb: .create, resource: .events, path: APIResource.events.path(in: namespace), body: json(warning))
        do throws(KubernetesError) {
            // The nodes of a cluster find out the same at the same time.
            try await session.pause(timeouts.eventSpread * time.chance(), request.action)
            let answer = try await session.send(request)
            // What it says is not needed, but the connection is, for the next one.
            _ = await session.smallBody(answer.body)
            state.withLock { $0.counts.posted += 1 }
        } catch {
            if error.status?.code == 409 { return state.withLock { $0.counts.shared += 1 } }
            state.withLock { $0.counts.failed += 1 }
            explain(error)
        }
    }

    private func explain(_ error: KubernetesError) {
        let isNews = state.withLock { state in
            guard error.status?.code == 403, !state.isForbidden else { return false }
            state.isForbidden = true
            return true
        }
        log.log(level: isNews ? .warning : .debug, "an Event is not written", metadata: ["reason": "\(error)"])
    }

    private func json(_ warning: ServiceWarning) -> String {
        let now = time.wallClock()
        let service = warning.service
        let name = eventName(warning, at: now)
        let note = (warning.isOfNode ? "on node \(nodeName): " : "") + warning.note
        let metadata = ["name": JSONText.string(name), "namespace": JSONText.string(service.namespace)]
        let regarding = [
            "apiVersion": JSONText.string("v1"), "kind": JSONText.string("Service"),
            "namespace": JSONText.string(service.namespace), "name": JSONText.string(service.name),
        ]
        return JSONText.object([
            "apiVersion": JSONText.string("events.k8s.io/v1"), "kind": JSONText.string("Event"),
            "metadata": JSONText.object(metadata), "eventTime": JSONText.string(microTime(now)),
            "reportingController": JSONText.string("swiftlet"), "reportingInstance": JSONText.string(nodeName),
            "action": JSONText.string(warning.action), "reason": JSONText.string(warning.reason),
            "regarding": JSONText.object(regarding), "type": JSONText.string("Warning"),
            "note": JSONText.string(cut(note, to: Self.longestNote)),
        ])
    }
}

/// A name that begins with the object's, like client-go's, and ends in what is said and the hour: all nodes that say the same
/// of a Service write one Event, the first of them does, and it is written anew when the API server has forgotten it.
private func eventName(_ warning: ServiceWarning, at now: Double) -> String {
    let hour = UInt64(max(0, now) / 3600)
    let said = [warning.reason, warning.action, warning.note, "\(hour)"].joined(separator: "\u{0}")
    // FNV-1a: the same on every node, and no secret.
    let digest = said.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return "\(warning.service.name.prefix(200)).\(String(digest, radix: 16))"
}

/// At most so many bytes of a text, and no half character; the API refuses a longer note.
private func cut(_ text: String, to bytes: Int) -> String {
    if text.utf8.count <= bytes { return text }
    var result = ""
    var room = bytes - 3
    for character in text {
        room -= character.utf8.count
        if room < 0 { break }
        result.append(character)
    }
    return result + "…"
}

/// As the API writes a `MicroTime`: six digits of a second.
private func microTime(_ seconds: Double) -> String {
    let whole = seconds.rounded(.down)
    let date = Date(timeIntervalSince1970: whole).ISO8601Format()
    let digits = String(Int((seconds - whole) * 1_000_000))
    return date.dropLast() + "." + String(repeating: "0", count: 6 - digits.count) + digits + "Z"
}
