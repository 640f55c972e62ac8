import Synchronization

extension Answer {
    func watch(_ faults: [Fault]) async throws {
        let options = server.state.withLock { $0.options }
        guard
            let selection = try? ObjectSelection(
                labels: request.query["labelSelector"], fields: request.query["fieldSelector"],
                knownFields: options.knownFields)
        else { return try await send(status: 400, reason: "BadRequest", message: "field label not supported") }
        let asked = UInt64(request.query["resourceVersion"] ?? "") ?? 0
        if options.refusesFutureVersions, asked > server.store.version {
            return try await send(
                status: 504, reason: "Timeout",
                message: "Too large resource version: \(asked), current: \(server.store.version)", retryAfter: 1)
        }
        // What is sent to all watches from the moment on that this one counts, it gets.
        let opened = WatchStream(self, selection, from: asked, faults)
        try await sendHead(200)
        server.noteWatch(request.resource, 1)
        defer { server.noteWatch(request.resource, -1) }
        let seconds = request.query["timeoutSeconds"].flatMap { Int($0) } ?? 3600
        // An API server ends a watch when its time is up; here the sender is cancelled, and ends the answer.
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                var stream = opened
                try await stream.run()
                return false
            }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return true
            }
            _ = try await group.next()
            group.cancelAll()
            while await group.nextResult() != nil {}
        }
        try await sendEnd()
    }
}

/// The events of one watch.
struct WatchStream: Sendable {
    private let answer: Answer
    private let selection: ObjectSelection
    private var version: UInt64
    private var bookmarks: Int
    private var pieces: Pieces
    private var held: [UInt8] = []
    private var heldEvents = 0
    private var mergedEvents = 1
    private var end: (after: Int, WatchEnd)?
    /// After each byte.
    private var drip: Duration?
    private var sent = 0

    private var store: ObjectStore { answer.server.store }

    init(_ answer: Answer, _ selection: ObjectSelection, from version: UInt64, _ faults: [Fault]) {
        self.answer = answer
        self.selection = selection
        self.version = version
        pieces = Pieces(faults)
        bookmarks = answer.server.store.state.withLock { $0.bookmarks }
        for fault in faults {
            switch fault {
            case .merged(let count): mergedEvents = count
            case .breaks(let after, let end): self.end = (after, end)
            case .drips(let pause): drip = pause
            default: break
            }
        }
    }

    mutating func run() async throws {
        // The signal is listened to before the history is read, so that nothing falls between.
        let changes = store.signal.changes()
        if answer.request.query["sendInitialEvents"] == "true" { try await sendInitialEvents() }
        for await _ in changes {
            if try await breakIfDue() { return }
            let news = store.state.withLock { state in
                (
                    compacted: state.compacted, changes: state.history.filter { $0.version > version },
                    bookmarks: state.bookmarks, version: state.version
                )
            }
            if version < news.compacted {
                try await send(
                    "ERROR", Answer.status(410, "Expired", "too old resource version: \(version) (\(news.compacted))"))
                try await flush()
                return
            }
            for change in news.changes {
                version = change.version
                guard let event = event(for: change) else { continue }
                try await send(event.type, event.object)
                if try await breakIfDue() { return }
            }
            if news.bookmarks > bookmarks {
                bookmarks = news.bookmarks
                try await send("BOOKMARK", bookmark(news.version))
            }
        }
    }

    private mutating func breakIfDue() async throws -> Bool {
        guard let end, sent >= end.after else { return false }
        switch end.1 {
        case .error(let code, let reason, let message):
            try await send("ERROR", Answer.status(code, reason, message))
            try await flush()
        case .garbage(let text):
            try await flush()
            try await answer.sendPiece(Array((text + "\n").utf8))
            try await Task.sleep(for: .seconds(3600))
        case .stall:
            try await flush()
            try await Task.sleep(for: .seconds(3600))
        case .close:
            try await flush()
            try await answer.close()
        case .half:
            try await flush()
            try await answer.sendPiece(Array("{\"type\":\"ADDED\",\"object\":{\"kind\":\"Serv".utf8))
            try await answer.close()
        case .end: try await flush()
        }
        return true
    }

    // MARK: Events

    /// What a change is to a client that sees only the selected objects; nil if it is nothing.
    private func event(for change: Change) -> (type: String, object: JSON)? {
        let object = change.now ?? change.before
        guard let object, object.resource == answer.request.resource else { return nil }
        let was = change.before.map { selection.contains($0) } ?? false
        let now = change.now.map { selection.contains($0) } ?? false
        switch (was, now) {
        case (false, false): return nil
        case (false, true): return ("ADDED", object.content)
        case (true, true): return ("MODIFIED", object.content)
        case (true, false):
            var last = change.before ?? object
            last.setVersion(change.version)
            return ("DELETED", last.content)
        }
    }

    private func bookmark(_ version: UInt64, annotations: JSON? = nil) -> JSON {
        let (kind, apiVersion) = Answer.kind(of: answer.request.resource)
        var metadata: JSON = ["resourceVersion": .text("\(version)"), "creationTimestamp": .null]
        metadata["annotations"] = annotations
        return ["kind": .text(kind), "apiVersion": .text(apiVersion), "metadata": metadata]
    }

    private mutating func sendInitialEvents() async throws {
        let (objects, now) = (store.objects(answer.request.resource), store.version)
        for object in objects where selection.contains(object) { try await send("ADDED", object.content) }
        try await send("BOOKMARK", bookmark(now, annotations: ["k8s.io/initial-events-end": "true"]))
        version = now
    }

    // MARK: Sending

    private mutating func send(_ type: String, _ object: JSON) async throws {
        let line: JSON = ["type": .text(type), "object": object]
        held += line.bytes + [UInt8(ascii: "\n")]
        heldEvents += 1
        if type != "ERROR" { sent += 1 }
        if heldEvents >= mergedEvents { try await flush() }
    }

    private mutating func flush() async throws {
        if held.isEmpty { return }
        answer.server.noteWrite()
        for piece in pieces.cut(held) {
            try await answer.sendPiece(piece)
            if let drip { try await Task.sleep(for: drip) }
        }
        held = []
        heldEvents = 0
    }
}
