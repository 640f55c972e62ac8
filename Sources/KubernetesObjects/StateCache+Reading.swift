import Glibc
import ServiceModel

extension StateCache {
    /// Reads the cache of a node of a cluster, of which one word must be one of those that it was written with.
    ///
    /// - Returns: its objects, as a batch that is not the complete list: nothing may be pruned for what it lacks.
    package func read(
        node: String, cluster: Set<String> = []
    ) throws(StateCacheError) -> (batch: StateBatch, summary: StateCacheSummary) {
        do throws(ReadingFailure) {
            var draft = ReadingDraft(node: node, cluster: cluster, origin: path)
            var lines = Lines(file: try open())
            while try lines.next({ line throws(ReadingFailure) in try draft.take(line) }) {}
            return try draft.result()
        } catch {
            switch error {
            case .cause(let cause): throw StateCacheError(cause, path: path)
            case .system(ENOENT): throw StateCacheError(.missing, path: path)
            case .system(let number): throw StateCacheError(.unreadable(number), path: path)
            }
        }
    }
}

extension StateCache {
    private func open() throws(ReadingFailure) -> CacheFile {
        do throws(SystemFailure) {
            return try CacheFile(reading: path)
        } catch {
            throw .system(error.number)
        }
    }
}

private enum ReadingFailure: Error {
    case cause(StateCacheError.Cause)
    case system(Int32)

    static func damaged(_ what: String) -> ReadingFailure { .cause(.damaged(what)) }
}

/// The lines of a file, a portion of it in memory at a time.
private struct Lines {
    private static let portion = 256 * 1024
    /// No object is larger: the API server takes none of more than 3 MiB.
    private static let longest = 16 * 1024 * 1024

    let file: CacheFile
    private var buffer: [UInt8] = []
    private var position = 0

    init(file: CacheFile) { self.file = file }

    /// Passes on the next line with its line break; false at the end of the file.
    mutating func next(
        _ take: (UnsafeRawBufferPointer) throws(ReadingFailure) -> Void
    ) throws(ReadingFailure) -> Bool {
        var searched = position
        while true {
            if let end = lineEnd(after: searched) {
                let range = position..<end
                position = end
                try buffer.withUnsafeBytes { bytes in
                    Result { () throws(ReadingFailure) in try take(UnsafeRawBufferPointer(rebasing: bytes[range])) }
                }.get()
                return true
            }
            buffer.removeFirst(position)
            position = 0
            searched = buffer.count
            guard searched <= Self.longest else { throw .damaged("a line is too long") }
            if try read() { continue }
            if buffer.isEmpty { return false }
            throw .cause(.truncated)
        }
    }

    /// Reads another portion; false at the end of the file.
    private mutating func read() throws(ReadingFailure) -> Bool {
        do throws(SystemFailure) {
            return try file.read(Self.portion, into: &buffer)
        } catch {
            throw .system(error.number)
        }
    }

    /// The place after the next line break.
    private func lineEnd(after place: Int) -> Int? {
        buffer.withUnsafeBytes { bytes in
            guard place < bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + place, Int32(UInt8(ascii: "\n")), bytes.count - place)
            else { return nil }
            return UnsafeRawPointer(found) - base + 1
        }
    }
}

/// What a cache has said so far. Nothing of it counts before its last line.
private struct ReadingDraft {
    private let node: String
    private let cluster: Set<String>
    private let origin: String
    private let reader = ObjectReader()
    private var batch = StateBatch()
    private var time: UnixTime?
    private var objects = 0
    private var checksum = CRC32C()
    private var isComplete = false
    /// Why a line is no object; the checksum tells whether that is damage.
    private var oddity: String?

    init(node: String, cluster: Set<String>, origin: String) {
        self.node = node
        self.cluster = cluster
        self.origin = origin
    }

    mutating func take(_ line: UnsafeRawBufferPointer) throws(ReadingFailure) {
        guard !isComplete else { throw .damaged("something follows its last line") }
        if time == nil {
            try takeHeader(line)
        } else if line.starts(with: Self.trailerBeginning) {
            var trailer = JSONWriter()
            StateCache.writeTrailer(objects: objects, checksum: checksum, to: &trailer)
            guard line.elementsEqual(trailer.bytes) else { throw .damaged("its checksum is wrong") }
            isComplete = true
        } else {
            objects += 1
            do throws(SyntaxError) {
                try takeObject(line)
            } catch {
                oddity = oddity ?? "object \(objects) cannot be read: \(error.text)"
            }
        }
        checksum.add(line)
    }

    func result() throws(ReadingFailure) -> (batch: StateBatch, summary: StateCacheSummary) {
        guard let time, isComplete else { throw .cause(.truncated) }
        if let oddity { throw .damaged(oddity) }
        return (batch, StateCacheSummary(objects: objects, time: time))
    }

    /// The trailer up to its numbers.
    private static let trailerBeginning: ArraySlice<UInt8> = {
        var json = JSONWriter()
        StateCache.writeTrailer(objects: 0, checksum: CRC32C(), to: &json)
        return json.bytes.prefix { $0 != UInt8(ascii: "0") }
    }()

    private mutating func takeHeader(_ line: UnsafeRawBufferPointer) throws(ReadingFailure) {
        guard let document = try? Self.document(line, .everything),
            Field(document)[.apiVersion]?.text == StateCache.apiVersion,
            Field(document)[.kind]?.text == StateCache.headerKind,
            let version = Field(document)["version"]?.integer
        else { throw .damaged("it does not begin as a state cache") }
        let header = Field(document)
        guard version == StateCache.version else { throw .cause(.otherVersion(version)) }
        let owner = header["node"]?.text ?? ""
        guard owner == node else { throw .cause(.otherNode(owner)) }
        let known = Set((header["cluster"]?.text ?? "").split(separator: " ").map(String.init))
        guard StateCache.areOfOneCluster(known, cluster) else { throw .cause(.otherCluster) }
        time = header["time"]?.text.flatMap { UnixTime($0) }
        guard time != nil else { throw .damaged("it does not say when it was written") }
    }

    private mutating func takeObject(_ line: UnsafeRawBufferPointer) throws(SyntaxError) {
        let field = Field(try Self.document(line, .known))
        let kind = try reader.kind(of: field)
        guard let key = reader.key(of: field, kind: kind) else { throw SyntaxError(cause: "it has no name") }
        let object = reader.object(field, key: key)
        let problems = StateProblem.all(field.findings, origin: origin, object: "\(key)")
        if let event = object.event, !field.findings.isRefused { batch.events.append(event) }
        batch.problems += problems
    }

    private static func document(
        _ line: UnsafeRawBufferPointer, _ selection: JSONReader.Selection
    ) throws(SyntaxError) -> Document {
        let mark = UnsafeRawBufferPointer(start: StateCache.mark.utf8Start, count: StateCache.mark.utf8CodeUnitCount)
        guard line.starts(with: mark) else { throw SyntaxError(cause: "it does not begin with ---") }
        return try JSONReader.document(UnsafeRawBufferPointer(rebasing: line[mark.count...]), selection)
    }
}
