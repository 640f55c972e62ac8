import Glibc
import KubernetesObjects
import ServiceModel
import TestKit
import Testing

@Suite("Caching the state")
struct StateCacheTests {
    private let directory: TemporaryDirectory
    private let cache: StateCache
    private let time = UnixTime(nanoseconds: 1_769_853_600_500_000_000)

    init() throws {
        directory = try TemporaryDirectory()
        cache = StateCache(path: directory.path + "/state.yaml")
    }

    private func written(seed: UInt64 = 1, _ count: Int = 30) throws -> [ClusterEvent] {
        var random = RandomObjects(seed: seed)
        let events = random.events(count)
        try cache.write(events, node: "here", at: time)
        return events
    }

    private func cause(node: String = "here") -> StateCacheError.Cause? {
        do throws(StateCacheError) {
            _ = try cache.read(node: node)
            return nil
        } catch {
            return error.cause
        }
    }

    @Test("a cache is for one cluster: of each kind of marks one must be known again")
    func otherCluster() throws {
        try cache.write([], node: "here", cluster: ["sha256:a", "sha256:b", "server:https://192.0.2.1"], at: time)
        for marks: Set<String> in [["sha256:b", "sha256:c"], ["sha256:a", "server:https://192.0.2.1"]] {
            #expect(throws: Never.self) { try cache.read(node: "here", cluster: marks) }
        }
        for marks: Set<String> in [
            [], ["sha256:c"], ["server:https://192.0.2.2"], ["sha256:a", "server:https://192.0.2.2"],
            ["sha256:c", "server:https://192.0.2.1"], ["https://192.0.2.1"],
        ] {
            let error = #expect(throws: StateCacheError.self) { try cache.read(node: "here", cluster: marks) }
            #expect(error?.cause == .otherCluster)
        }
    }

    @Test("what is written is read again, whatever the objects say", arguments: UInt64(1)...12)
    func roundTrip(seed: UInt64) throws {
        let events = try written(seed: seed, 60)
        let (batch, summary) = try cache.read(node: "here")
        #expect(batch.problems.map(\.description) == [])
        #expect(batch.events == events)
        #expect(!batch.isInitial)
        #expect(summary == StateCacheSummary(objects: 60, time: time))
    }

    @Test("the same objects are the same as lines, and so is a slice that was made here")
    func asLines() throws {
        var random = RandomObjects(seed: 3)
        var slice = EndpointSlice(
            name: ObjectName(namespace: "default", name: "web@pods"), serviceName: "web", addressType: .ipv4)
        slice.endpoints = [Endpoint(address: IPAddress(v4: 1), nodeName: "here")]
        let events = random.events(60) + [.slice(slice)]
        #expect(ObjectLines.events(of: ObjectLines.text(of: events + [.nodeGone("there")])) == events)
    }

    @Test("a cache of nothing, and one much larger than what is in memory at a time")
    func sizes() throws {
        #expect(try written(0).isEmpty)
        #expect(try cache.read(node: "here").batch.events.isEmpty)
        let events = try written(1500)
        #expect(try cache.read(node: "here").batch.events == events)
    }

    @Test("events that say that an object is gone are passed over")
    func gone() throws {
        let name = ObjectName(namespace: "default", name: "a")
        try cache.write([.serviceGone(name), .sliceGone(name), .nodeGone("a")], node: "here", at: time)
        #expect(try cache.read(node: "here").summary.objects == 0)
    }

    @Test("only its owner may read it, and nothing else is left in the directory")
    func mode() throws {
        try directory.write("left over", to: ".state.yaml.draft")
        _ = try written()
        var status = stat()
        #expect(stat(cache.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(directory.names == ["state.yaml"])
    }

    @Test("a cache that is cut off anywhere is not used")
    func truncated() throws {
        _ = try written(3)
        let bytes = try directory.read("state.yaml")
        for length in 0..<bytes.count {
            try directory.write(Array(bytes[..<length]), to: "state.yaml")
            #expect(cause() == .truncated, "\(length) of \(bytes.count) bytes")
        }
    }

    @Test("a cache with one wrong bit is not used, wherever the bit is")
    func damaged() throws {
        _ = try written(3)
        let bytes = try directory.read("state.yaml")
        var random = SeededGenerator(seed: 1)
        for place in bytes.indices {
            var wrong = bytes
            wrong[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            try directory.write(wrong, to: "state.yaml")
            #expect(cause() != nil, "byte \(place) is \(wrong[place]), not \(bytes[place])")
        }
    }

    @Test("a line that is lost, doubled or moved is noticed")
    func lines() throws {
        _ = try written(3)
        let lines = try directory.read("state.yaml").split(separator: UInt8(ascii: "\n")).map { Array($0) + [0x0A] }
        var moved = lines
        moved.swapAt(1, 2)
        let all = [Array(lines[..<2] + lines[3...]), Array(lines[..<2] + lines[1...]), moved, lines + lines]
        for wrong in all {
            try directory.write(Array(wrong.joined()), to: "state.yaml")
            guard case .damaged? = cause() else {
                Issue.record("used in spite of its damage")
                continue
            }
        }
    }

    @Test("the cache of another node, of another version and one that is none")
    func others() throws {
        #expect(cause() == .missing)
        _ = try written()
        #expect(cause(node: "there") == .otherNode("here"))
        let header = #"--- {"apiVersion":"swiftlet/v1","kind":"StateCache","version":2,"nodes":["here"]}"# + "\n"
        try directory.write(header, to: "state.yaml")
        #expect(cause() == .otherVersion(2))
        try directory.write("kind: Service\n", to: "state.yaml")
        #expect(cause() == .damaged("it does not begin as a state cache"))
    }

    @Test("what is no file is not read, and a place that cannot be written is told")
    func system() throws {
        let fifo = StateCache(path: directory.path + "/pipe")
        #expect(mkfifo(fifo.path, 0o600) == 0)
        let error = #expect(throws: StateCacheError.self) { try fifo.read(node: "here") }
        #expect(error?.cause == .unreadable(EINVAL))
        let absent = StateCache(path: directory.path + "/absent/state.yaml")
        let refusal = #expect(throws: StateCacheError.self) { try absent.write([], node: "here", at: time) }
        #expect(refusal?.cause == .unwritable(ENOENT))
        #expect(refusal?.description.hasPrefix("cannot write state cache \(absent.path): no such file") == true)
    }

    @Test(
        "a full disk leaves the cache before as it was, and nothing else",
        .enabled(if: geteuid() == 0, "only root may mount a file system"))
    func fullDisk() throws {
        try #require(mount("tmpfs", directory.path, "tmpfs", 0, "size=64k") == 0)
        defer { umount2(directory.path, Int32(MNT_DETACH)) }
        let events = try written(20)
        var random = RandomObjects(seed: 2)
        let error = #expect(throws: StateCacheError.self) {
            try cache.write(random.events(2000), node: "here", at: time)
        }
        #expect(error?.cause == .unwritable(ENOSPC))
        #expect(directory.names == ["state.yaml"])
        #expect(try cache.read(node: "here").batch.events == events)
        try #require(mount("tmpfs", directory.path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0)
        let refusal = #expect(throws: StateCacheError.self) { try cache.write([], node: "here", at: time) }
        #expect(refusal?.cause == .unwritable(EROFS))
    }

    @Test(
        "every error says what to do",
        arguments: [
            StateCacheError.Cause.missing, .truncated, .damaged("its checksum is wrong"), .otherVersion(2),
            .otherNode("there"), .unreadable(EACCES), .unwritable(ENOSPC),
        ])
    func advice(cause: StateCacheError.Cause) {
        let text = StateCacheError(cause, path: "/var/lib/swiftlet/state.yaml").description
        #expect(text.hasPrefix("cannot ") && text.contains("state cache /var/lib/swiftlet/state.yaml: "))
        #expect(text.contains("; "))
    }
}
