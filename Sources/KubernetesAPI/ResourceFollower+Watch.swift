import AsyncHTTPClient
import KubernetesObjects
import NIOCore

extension ResourceFollower {
    /// Watches from where we are until the watch ends, and returns if it ended in good order.
    func watch() async throws(KubernetesError) {
        guard let position else { return }
        let time = session.time
        let length = session.timeouts.watch * (1 + time.chance())
        let request = APIRequest(
            verb: .watch, resource: selection.resource, path: selection.resource.path,
            query: selection.query + [
                ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", position),
                ("timeoutSeconds", "\(max(1, length.components.seconds))"),
            ])
        let answer = try await session.send(request)
        board.update(name) { resource in
            resource.watches += 1
            resource.url = session.url(answer.address)
            resource.connectedSince = time.wallClock()
            resource.lostSince = nil
        }
        // A watch that has lasted for a moment is one, though a quiet cluster tells nothing for a minute.
        async let _: Void = noteLasting()
        let startedAt = time.now()
        let pulse = Pulse(
            time, patience: min(length + session.timeouts.watchGrace, session.timeouts.bookmarks))
        do throws(KubernetesError) {
            try await session.whileNotSilent(pulse, answer, request) {
                try await self.read(answer, pulse, request)
            }
        } catch  where error.kind == .silent && !seesBookmarks && !session.hasOthers {
            // An API server without a watch cache sends no bookmarks: a new watch from the same version loses nothing.
            noteProgress()
            board.update(name) { $0.restarts[.silent, default: 0] += 1 }
            return
        }
        guard time.now() - startedAt >= .seconds(1) else {
            throw KubernetesError(
                .interrupted, request.action, session.url(answer.address), cause: "it ended as soon as it began",
                advice: "it is asked again")
        }
        // One that told nothing, but lasted, was a good watch.
        noteProgress()
        board.update(name) { $0.restarts[.ended, default: 0] += 1 }
    }

    private func noteLasting() async {
        guard outages.isLost(name) else { return }
        do { try await session.time.sleep(.seconds(1)) } catch { return }
        outages.regain(name)
    }

    private func read(_ answer: APIAnswer, _ pulse: Pulse, _ request: APIRequest) async throws {
        var lines = LineBuffer()
        var speed = LineSpeed(portion: session.timeouts.portion)
        // Equal texts are shared for as long as the watch lasts, and not for longer.
        let reader = APIObjectReader(origin: session.url(answer.address))
        for try await piece in answer.body {
            lines.append(piece)
            // A byte now and then is no sign of life.
            if try take(&lines, reader, request, answer) {
                pulse.beat()
                speed.beginLine()
            }
            guard !speed.isDrip(lines.unfinished, at: session.time.now()) else {
                session.broke(answer)
                throw KubernetesError(
                    .interrupted, request.action, session.url(answer.address), cause: "an event comes in drips",
                    advice: "another connection is made")
            }
        }
    }

    /// Tells at once, as one batch, what has arrived in one piece.
    /// - Returns: whether that was a whole line.
    private func take(
        _ lines: inout LineBuffer, _ reader: APIObjectReader, _ request: APIRequest, _ answer: APIAnswer
    ) throws(KubernetesError) -> Bool {
        let url = session.url(answer.address)
        let clock = ContinuousClock()
        var isProgress = false
        let start = clock.now
        var batch = StateBatch()
        // What came before a line that ends the watch is as good as ever.
        defer {
            if !batch.isEmpty { gate.pass(batch) }
            noteObjects(batch)
            if selection.part == .node, inventory.count > 0 { gate.complete(.node) }
            let spent = (clock.now - start).wholeNanoseconds
            board.update(name) { $0.decodeNanoseconds += spent }
        }
        while let line = lines.next() {
            let event: APIWatchEvent
            do throws(SyntaxError) {
                event = try reader.watchEvent(line)
                if let kind = event.kind, kind != selection.kind {
                    throw SyntaxError(cause: "an event is about a \(kind.word)")
                }
            } catch {
                session.broke(answer, isTransport: false)
                throw KubernetesError(
                    .malformed, request.action, url, cause: error.text, advice: "it is asked again")
            }
            try apply(event, to: &batch, request, url)
            noteProgress()
            isProgress = true
        }
        guard !lines.isTooLong else {
            session.broke(answer, isTransport: false)
            throw KubernetesError(
                .malformed, request.action, url, cause: "a line is longer than 16 MiB", advice: "it is asked again")
        }
        return isProgress
    }

    private func apply(
        _ event: APIWatchEvent, to batch: inout StateBatch, _ request: APIRequest, _ url: String
    ) throws(KubernetesError) {
        switch event {
        case .put(let object):
            try checkNotOlder(object.resourceVersion, "\(object.key)", request, url)
            inventory.put(object, into: &batch)
            advance(to: object.resourceVersion)
        case .deleted(let key, let version):
            inventory.remove(key, from: &batch)
            advance(to: version)
        case .bookmark(let version, _):
            // An API server that lags behind our version, but does not say so, sends no events until it has caught up.
            try checkNotOlder(version, "a bookmark", request, url)
            seesBookmarks = true
            board.update(name) { $0.bookmarks += 1 }
            advance(to: version)
        case .failure(let status):
            throw KubernetesError(
                .streamStatus(status), request.action, url, cause: "\(status)", advice: "it is listed anew")
        }
    }

    private func checkNotOlder(
        _ version: String, _ what: String, _ request: APIRequest, _ url: String
    ) throws(KubernetesError) {
        guard let position, isOlder(version, than: position) else { return }
        throw KubernetesError(
            .otherHistory, request.action, url, cause: "\(what) has version \(version), which is before \(position)",
            advice: "it is listed anew")
    }

    private func advance(to version: String) {
        guard !version.isEmpty, !isOlder(version, than: position ?? "") else { return }
        position = version
        furthest = version
    }
}

extension APIWatchEvent {
    /// Of the object that it is about.
    fileprivate var kind: ObjectKind? {
        switch self {
        case .put(let object): object.key.kind
        case .deleted(let key, _): key.kind
        case .bookmark, .failure: nil
        }
    }
}
