import KubernetesObjects
import NIOCore

extension ResourceFollower {
    /// Lists everything and tells what differs from what was told before. Nothing is told of a list that breaks off.
    func list() async throws(KubernetesError) {
        board.update(name) { $0.lists += 1 }
        var listing = Listing()
        var continuation: String?
        repeat {
            let page = try await page(after: continuation)
            listing.add(page)
            continuation = page.continuation
        } while continuation != nil
        pageSize = Self.usualPageSize
        let isOlder = furthest.map { isOlder(listing.resourceVersion, than: $0) } ?? false
        if isOlder {
            log.warning(
                "the API server has gone back in time",
                metadata: ["version": "\(listing.resourceVersion)", "before": "\(furthest ?? "")"])
        }
        let batch = inventory.replace(with: listing, trustsVersions: !isOlder)
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

    private func page(after continuation: String?) async throws(KubernetesError) -> APIListPage {
        var request = APIRequest(verb: .list, resource: selection.resource, path: selection.resource.path)
        request.query = selection.query + [("limit", "\(pageSize)")]
        if let continuation { request.query.append(("continue", continuation)) }
        let page = try await session.page(request)
        board.update(name) { resource in
            resource.listedPages += 1
            resource.decodeNanoseconds += page.nanoseconds
        }
        return page.page
    }
}

/// Versions are numbers that grow, in every API server that stores its objects in etcd; of others nothing is known.
func isOlder(_ version: String, than other: String) -> Bool {
    guard let version = UInt64(version), let other = UInt64(other) else { return false }
    return version < other
}

extension APISession {
    /// One page of a list, and how long it took to read it.
    func page(_ request: APIRequest) async throws(KubernetesError) -> (page: APIListPage, nanoseconds: Int) {
        let answer = try await send(request, headWithin: timeouts.answer)
        let bytes = try await collect(answer, request)
        let clock = ContinuousClock()
        let start = clock.now
        do throws(SyntaxError) {
            let page = try reader.listPage(bytes)
            return (page, (clock.now - start).wholeNanoseconds)
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
                guard bytes.count <= largest else { throw NIOTooManyBytesError() }
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
