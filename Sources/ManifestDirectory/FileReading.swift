import Dispatch
import Synchronization

/// What came of reading one file: its objects, if its bytes are not those that were read before.
struct FileReading: Sendable {
    enum Outcome: Sendable {
        case same(FileStamp)
        case changed(FileStamp, hash: Int, ParsedFile)
        case failed(SystemError)
    }

    let path: String
    let outcome: Outcome

    init(of path: String, knownHash: Int?, parser: ManifestParser) {
        self.path = path
        switch FileAccess.read(path) {
        case .failure(let error): outcome = .failed(error)
        case .success(let (bytes, stamp)):
            let hash = bytes.withUnsafeBytes { raw in
                var hasher = Hasher()
                hasher.combine(bytes: raw)
                return hasher.finalize()
            }
            outcome = hash == knownHash ? .same(stamp) : .changed(stamp, hash: hash, parser.parse(bytes, file: path))
        }
    }

    private init(_ outcome: Outcome, of path: String) {
        self.path = path
        self.outcome = outcome
    }

    /// The same in memory that the calling thread allocates: see `ParsedFile.copied`.
    var copied: FileReading {
        guard case .changed(let stamp, let hash, let parsed) = outcome else { return self }
        return FileReading(.changed(stamp, hash: hash, parsed.copied), of: path)
    }

    /// Reads files on two threads, neither of which is the caller's, and gives them in their order.
    static func read(_ paths: [String], by parser: ManifestParser) -> [FileReading] {
        let lanes = 2
        let readings = Mutex<[Int: FileReading]>([:])
        let group = DispatchGroup()
        for lane in 0..<lanes {
            DispatchQueue.global().async(group: group) {
                for index in stride(from: lane, to: paths.count, by: lanes) {
                    let reading = FileReading(of: paths[index], knownHash: nil, parser: parser)
                    readings.withLock { $0[index] = reading }
                }
            }
        }
        group.wait()
        let done = readings.withLock { $0 }
        return paths.indices.compactMap { done[$0] }
    }
}
