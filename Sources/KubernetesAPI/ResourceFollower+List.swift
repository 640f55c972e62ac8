import AsyncHTTPClient
import KubernetesObjects
import Logging
import NIOCore

extension ResourceFollower {
    /// Lists everything and tells what differs from what was told before. Nothing is told of a list that breaks off.
    func list() async throws(KubernetesError) {
        board.update(name) { $0.lists += 1 }
        let start: ListStart = mustBeConsistent ? .consistent : .cache(notOlderThan: furthest)
        let listing = try await session.list(selection, from: start, pageSize: pageSize) { [board, name] nanoseconds in
            board.update(name) { resource in
                resource.listedPages += 1
                resource.decodeNanoseconds += nanoseconds
            }
        }
        pageSize = Self.usualPageSize
        mustBeConsistent = false
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

/// Which state a list is to show.
enum ListStart: Hashable, Sendable {
    /// What the API server has in memory, which costs etcd nothing: thousands of nodes may ask at once. It may lag behind, but
    /// not behind a version that is known; from there a watch catches up.
    case cache(notOlderThan: String?)
    /// What is in etcd now.
    case consistent

    /// A limit beside a version other than 0 would have the list taken from etcd.
    func query(pageSize: Int) -> [(String, String)] {
        switch self {
        case .cache(nil): [("limit", "\(pageSize)"), ("resourceVersion", "0")]
        case .cache(let version?): [("resourceVersion", version)]
        case .consistent: [("limit", "\(pageSize)")]
        }
    }
}

extension APISession {
    /// A complete list. One that does not end is left, with what came of it: nothing of it counts yet.
    ///
    /// - Parameter note: gets the time that reading each page took.
    func list(
        _ selection: Selection, from start: ListStart, pageSize: Int, note: (_ nanoseconds: Int) -> Void
    ) async throws(KubernetesError) -> Listing {
        var listing = Listing()
        var bounds = ListBounds(objects: 0, deadline: time.now() + timeouts.list)
        var continuation: String?
        repeat {
            var request = APIRequest(verb: .list, resource: selection.resource, path: selection.resource.path)
            request.query = selection.query
            if let continuation {
                request.query += [("limit", "\(pageSize)"), ("continue", continuation)]
            } else {
                request.query += start.query(pageSize: pageSize)
            }
            let page = try await page(request, of: selection.kind, bounds, note)
            let known = listing.objects.count
            listing.add(page)
            bounds.objects += page.objects.count
            bounds.idlePages = listing.objects.count > known ? 0 : bounds.idlePages + 1
            continuation = page.continuation
        } while continuation != nil
        return listing
    }

    private func page(
        _ request: APIRequest, of kind: ObjectKind, _ bounds: ListBounds, _ note: (Int) -> Void
    ) async throws(KubernetesError) -> APIListPage {
        let answer = try await send(request)
        let (page, nanoseconds) = try await read(answer, request, kind, bounds)
        note(nanoseconds)
        return page
    }

    /// Reads a page as it comes, unless it stops coming or comes in drips.
    private func read(
        _ answer: APIAnswer, _ request: APIRequest, _ kind: ObjectKind, _ bounds: ListBounds
    ) async throws(KubernetesError) -> (APIListPage, nanoseconds: Int) {
        let pulse = Pulse(time, patience: timeouts.portion)
        let reader = APIObjectReader(origin: url(answer.address))
        return try await whileNotSilent(pulse, answer, request) {
            var draft = PageDraft(kind: kind, reader: reader)
            var next = Self.portion
            do {
                for try await piece in answer.body {
                    try draft.add(piece)
                    try bounds.check(draft.objects.count, at: self.time.now())
                    guard draft.bytes >= next else { continue }
                    pulse.beat()
                    next = draft.bytes + Self.portion
                }
                return (try draft.page(plural: request.resource.plural), draft.nanoseconds)
            } catch let error as SyntaxError {
                self.broke(answer, isTransport: false)
                throw KubernetesError(
                    .malformed, request.action, self.url(answer.address), cause: error.text,
                    advice: "check that it is a Kubernetes API server")
            }
        }
    }

    /// So many bytes of a list are a sign of life.
    private static var portion: Int { 4096 }
}

/// How much of a list is taken: an API server that is sick may go on with one for ever.
private struct ListBounds {
    /// Far more than a cluster has of one kind.
    private static let most = 1_000_000

    /// A page without a new object may be; so many in a row go on for ever.
    private static let mostIdlePages = 10

    /// Those that have come.
    var objects: Int
    /// Those in a row that brought no new object.
    var idlePages = 0
    let deadline: Duration

    /// - Parameter count: of objects that came after those.
    func check(_ count: Int, at now: Duration) throws(SyntaxError) {
        if objects + count > Self.most {
            throw SyntaxError(cause: "the list has more than \(Self.most) objects and goes on")
        }
        if idlePages > Self.mostIdlePages { throw SyntaxError(cause: "the list goes on without new objects") }
        if now > deadline { throw SyntaxError(cause: "the list does not end") }
    }
}

/// A page of a list that is arriving.
private struct PageDraft {
    let kind: ObjectKind
    let reader: APIObjectReader
    private var cutter = ListCutter()
    private(set) var objects: [APIObject] = []
    private(set) var bytes = 0
    /// What reading took.
    private(set) var nanoseconds = 0
    private let clock = ContinuousClock()

    init(kind: ObjectKind, reader: APIObjectReader) {
        self.kind = kind
        self.reader = reader
    }

    mutating func add(_ piece: ByteBuffer) throws(SyntaxError) {
        let start = clock.now
        bytes += piece.readableBytes
        let (reader, kind) = (reader, kind)
        var arrived: [APIObject] = []
        try piece.withUnsafeReadableBytes { bytes in
            Result { () throws(SyntaxError) in
                try cutter.add(bytes) { item throws(SyntaxError) in arrived.append(try reader.item(item, of: kind)) }
            }
        }.get()
        objects += arrived
        nanoseconds += (clock.now - start).wholeNanoseconds
    }

    /// The page, once all of it is there.
    func page(plural: String) throws(SyntaxError) -> APIListPage {
        var page = try reader.listPage(cutter.envelope)
        // An empty list of something else would empty the state.
        guard page.kind == kind else { throw SyntaxError(cause: "expected a list of \(plural)") }
        guard !page.resourceVersion.isEmpty else { throw SyntaxError(cause: "the list has no resourceVersion") }
        // Those of a list that is written in some other way were not told apart.
        page.objects += objects
        return page
    }
}

extension Duration {
    var wholeNanoseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}
