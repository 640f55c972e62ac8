import Foundation

/// Makes texts and packets that nobody would write out of good ones, by a few changes each.
///
/// The same seed gives the same inputs. Each is written to a file before it is used: a parser that traps takes the
/// process with it, and the file then holds what it was given.
package struct Mutator {
    private let corpus: [[UInt8]]
    private let words: [[UInt8]]
    private var random: SeededGenerator

    /// - Parameter words: pieces that are inserted whole, such as keys and numbers at their limits.
    package init(_ corpus: [[UInt8]], words: [String] = [], seed: UInt64) {
        self.corpus = corpus
        self.words = words.map { Array($0.utf8) }
        random = SeededGenerator(seed: seed)
    }

    /// All files of a directory, in the order of their names.
    package static func corpus(_ directory: String) throws -> [[UInt8]] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted().map {
            Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)")))
        }
    }

    package mutating func next() -> [UInt8] {
        var bytes = pick(corpus) ?? []
        for _ in 0..<(1 << Int.random(in: 0...3, using: &random)) { change(&bytes) }
        return bytes
    }

    private mutating func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &random) }

    /// A stretch of at most so many bytes.
    private mutating func stretch(of bytes: [UInt8], atMost limit: Int) -> Range<Int> {
        let start = Int.random(in: 0...bytes.count, using: &random)
        return start..<min(bytes.count, start + Int.random(in: 0...limit, using: &random))
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.removeSubrange(stretch(of: bytes, atMost: 40))
        case 3: bytes.insert(contentsOf: bytes[stretch(of: bytes, atMost: 200)], at: place)
        case 4: bytes.removeSubrange(place...)
        case 5:
            // The beginning of one, and the end of another.
            let other = pick(corpus) ?? []
            bytes = Array(bytes[..<place] + other[Int.random(in: 0...other.count, using: &random)...])
        case 6:
            let opening = Array((pick(["[", "{", "- ", "{\"a\":", "\n "]) ?? "[").utf8)
            let count = Int.random(in: 1...(random.chance(20) ? 4_000 : 200), using: &random)
            bytes.insert(contentsOf: Array(repeatElement(opening, count: count).joined()), at: place)
        case 7: replaceNumber(in: &bytes)
        default: bytes.insert(contentsOf: pick(words) ?? [0], at: place)
        }
    }

    private mutating func replaceNumber(in bytes: inout [UInt8]) {
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
        let starts = bytes.indices.filter { isDigit(bytes[$0]) && ($0 == 0 || !isDigit(bytes[$0 - 1])) }
        guard let start = pick(starts) else { return }
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
        let numbers = [
            "0", "-1", "1", "65535", "65536", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
            "99999999999999999999999", "1e9", "1e999", "0x10", "00", ".5", "128", "129", "32", "33",
        ]
        bytes.replaceSubrange(start..<end, with: Array((pick(numbers) ?? "0").utf8))
    }
}

/// How often a fuzzing test tries, and where it notes what it tries.
package struct FuzzRun: ~Copyable {
    /// Short enough for each run of the tests; `SWIFTLET_FUZZ_RUNS` says how many inputs each test makes instead.
    package static let count = ProcessInfo.processInfo.environment["SWIFTLET_FUZZ_RUNS"].flatMap { Int($0) } ?? 300

    private let file: FileHandle
    private let path: String

    package init(_ name: String, seed: UInt64) throws {
        let path = NSTemporaryDirectory() + "swiftlet-fuzz-\(name)-\(seed)-\(getpid())"
        try Data().write(to: URL(fileURLWithPath: path))
        guard let file = FileHandle(forUpdatingAtPath: path) else { throw POSIXError(.EBADF) }
        self.file = file
        self.path = path
        print("fuzz \(name), seed \(seed): after a crash \(path) has the input")
    }

    /// A test that comes to its end has told everything.
    deinit { try? FileManager.default.removeItem(atPath: path) }

    package func note(_ input: [UInt8]) throws {
        try file.seek(toOffset: 0)
        try file.write(contentsOf: Data(input))
        try file.truncate(atOffset: UInt64(input.count))
    }
}
