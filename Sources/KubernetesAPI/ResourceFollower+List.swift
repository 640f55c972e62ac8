import AsyncHTTPClient
import KubernetesObjects
import Logging
import NIOCore

extension ResourceFollower {
    /// Lists everything and tells what differs from what was told before. Nothing is told of a list that breaks off.
    func list() async throws(KubernetesError) {
        board.update(name) { $0.lists += 1 }
        let listing = try await session.list(selection, pageSize: pageSize) { [board, name] nanoseconds in
            board.update(name) { resource in
                resource.listedPages += 1
                resource.decodeNanoseconds += nanoseconds
            }
        }
        pageSize = Self.usualPageSize
        let wentBack = furthest.map { isOlder(listing.resourceVersion, than: $0) } ?? false
        if wentBack {
            log.warning(
                "the API server has gone back in time",
                metadata: ["version": "\(listing.resourceVersion)", "before": "\(furthest ?? "")"])
        }
        let batch = inventory.replace(with: listing, trustsVersions: !wentBack)
        position = listing.resourceVersion
        furthest = listing.resourceVersion
        gate.pass(batch)
        noteObjects(batch)
        settle(nil)
        // Without a Node object services wait for it for a while (spec 11).
        if selection.part != .node || inventory.count > 0 { gate.complete(selection.part) }
    }

    func noteObjects(_ batch: StateBatch) {
        board.update(name) { resource in
            resource.objects = inventory.count
            resource.events += batch.events.count
            if !batch.events.isEmpty { resource.lastEventAt = session.time.wallClock() }
        }
    }
}

/// Versions are numbers that grow, in every API server that stores its objects in etcd; of others nothing is known.
func isOlder(_ version: String, than other: String) -> Bool {
    guard let version = UInt64(version), let other = UInt64(other) else { return false }
    return version < other
}

extension APISession {
    /// A complete list.
    ///
    /// - Parameter note: gets the time that reading each page took.
    func list(
        _ selection: Selection, pageSize: Int, note: (_ nanoseconds: Int) -> Void
    ) async throws(KubernetesError) -> Listing {
        var listing = Listing()
        var continuation: String?
        repeat {
            var request = APIRequest(verb: .list, resource: selection.resource, path: selection.resource.path)
            request.query = selection.query + [("limit", "\(pageSize)")]
            if let continuation { request.query.append(("continue", continuation)) }
            let page = try await page(request, of: selection.kind, note)
            listing.add(page)
            continuation = page.continuation
        } while continuation != nil
        return listing
    }

    private func page(
        _ request: APIRequest, of kind: ObjectKind, _ note: (Int) -> Void
    ) async throws(KubernetesError) -> APIListPage {
        let answer = try await send(request, headWithin: timeouts.answer)
        let bytes = try await collect(answer, request)
        let clock = ContinuousClock()
        let start = clock.now
        do throws(SyntaxError) {
            let page = try APIObjectReader(origin: url(answer.address)).listPage(bytes)
            note((clock.now - start).wholeNanoseconds)
            // An empty list of something else would empty the state.
            guard page.kind == kind else { throw SyntaxError(cause: "it is no list of \(request.resource.plural)") }
            guard !page.resourceVersion.isEmpty else { throw SyntaxError(cause: "the list has no resourceVersion") }
            return page
        } catch {
            throw KubernetesError(
                .malformed, request.action, url(answer.address), cause: error.text,
                advice: "check that it is a Kubernetes API server")
        }
    }

    /// The whole body, unless it stops coming.
    private func collect(_ answer: APIAnswer, _ request: APIRequest) async throws(KubernetesError) -> [UInt8] {
        let largest = 512 << 20
        let pulse = Pulse(time)
        return try await whileNotSilent(pulse, for: timeouts.answer, answer, request) {
            var bytes: [UInt8] = []
            for try await piece in answer.body {
                pulse.beat()
                bytes += piece.readableBytesView
                guard bytes.count <= largest else { throw NIOTooManyBytesError(maxBytes: largest) }
            }
            return bytes
        }
    }
}

extension Duration {
    var wholeNanoseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}
