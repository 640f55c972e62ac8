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

    /// Reads files on two threads, and gives them in their order.
    static func read(_ paths: [String], by parser: ManifestParser) -> [FileReading] {
        let lanes = 2
        let readings = Mutex<[Int: FileReading]>([:])
        DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            for index in stride(from: lane, to: paths.count, by: lanes) {
                let reading = FileReading(of: paths[index], knownHash: nil, parser: parser)
                readings.withLock { $0[index] = reading }
            }
        }
        let done = readings.withLock { $0 }
        return paths.indices.compactMap { done[$0] }
    }
}
