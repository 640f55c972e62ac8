import Foundation
import KubernetesObjects
import ManifestDirectory
import ServiceModel
import TestKit
import Testing

/// The state that the batches of a source come to, waited for with a bound.
private struct Reader: ~Copyable {
    let source: ManifestSource
    private var batches: StateBatches.AsyncIterator
    private(set) var ports: [String: UInt16] = [:]
    private(set) var gone: Set<String> = []
    private(set) var slices: Set<String> = []
    private(set) var problems: Set<StateProblem> = []
    private(set) var count = 0

    init(_ directories: [String]) throws {
        source = try ManifestSource(directories: directories)
        batches = source.batches.makeAsyncIterator()
    }

    init(_ directory: TemporaryDirectory) throws { try self.init([directory.path]) }

    deinit { source.stop() }

    /// Takes batches until the ports of the Services are these; the watchdog ends the stream after 5 s.
    mutating func waitForPorts(_ expected: [String: UInt16], _ place: SourceLocation = #_sourceLocation) async {
        await wait(place) { $0.ports == expected }
        #expect(ports == expected, sourceLocation: place)
    }

    mutating func wait(_ place: SourceLocation = #_sourceLocation, until isDone: (borrowing Reader) -> Bool) async {
        let watchdog = Task { [source] in
            try await Task.sleep(for: .seconds(5))
            source.stop()
        }
        defer { watchdog.cancel() }
        repeat {
            guard let batch = await batches.next() else {
                Issue.record("no batch came within 5 s", sourceLocation: place)
                return
            }
            apply(batch)
        } while !isDone(self)
    }

    private mutating func apply(_ batch: StateBatch) {
        #expect(batch.isInitial == (count == 0))
        count += 1
        for event in batch.events {
            switch event {
            case .service(let service): ports[service.name.name] = service.ports.first?.port.number ?? 0
            case .serviceGone(let name):
                ports[name.name] = nil
                gone.insert(name.name)
            case .slice(let slice): slices.insert(slice.name.name)
            case .sliceGone(let name): slices.remove(name.name)
            case .node, .nodeGone: break
            }
        }
        problems.subtract(batch.resolved)
        problems.formUnion(batch.problems)
    }
}

@Suite("Watching directories", .serialized)
struct WatchingTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// One of three Services that claim nothing of each other.
    private static func service(_ name: String, port: Int = 80) -> String {
        Manifests.service(name, ip: ["web": "10.96.0.15", "api": "10.96.0.16"][name] ?? "10.96.0.17", port: port)
    }

    @Test("files are written, rewritten, renamed and removed")
    func files() async throws {
        try directory.write(Manifests.service(), to: "web.yaml")
        var reader = try Reader(directory)
        await reader.waitForPorts(["web": 80])
        try directory.write(Manifests.service(port: 81), to: "web.yaml")
        await reader.waitForPorts(["web": 81])
        try directory.write(Manifests.service("api", ip: "10.96.0.16"), to: "api.tmp")
        try directory.rename("api.tmp", to: "api.yml")
        await reader.waitForPorts(["web": 81, "api": 80])
        try directory.rename("api.yml", to: "api.off")
        await reader.waitForPorts(["web": 81])
        try directory.remove("web.yaml")
        await reader.waitForPorts([:])
    }

    @Test("what looks like a manifest and is passed over is named, until it is read")
    func doubtfulPaths() async throws {
        try directory.write(Self.service("web"), to: "web.YAML")
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/api.yaml", withDestinationPath: directory.path + "/nowhere")
        var reader = try Reader(directory)
        await reader.waitForPorts([:])
        #expect(
            Set(reader.problems.map(\.description)) == [
                "look at \(directory.path)/web.YAML: it is not read for its name; let it end in .yaml, .yml or .json",
                "look at \(directory.path)/api.yaml: it is a symbolic link to something that is not there; "
                    + "write what it leads to, or remove it",
            ])
        try directory.rename("web.YAML", to: "web.yaml")
        await reader.waitForPorts(["web": 80])
        if reader.problems.count != 1 { await reader.wait { $0.problems.count == 1 } }
        try directory.remove("api.yaml")
        await reader.wait { $0.problems.isEmpty }
    }

    @Test("what is no regular file, or too large, has one line, and is never waited for")
    func otherFiles() throws {
        try directory.write(Self.service("web"), to: "web.yaml")
        let path = directory.path
        #expect(mkfifo(path + "/pipe.yaml", 0o600) == 0)
        for (name, target) in [("zero.yaml", "/dev/zero"), ("null.json", "/dev/null")] {
            try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
        }
        try FileManager.default.createDirectory(atPath: path + "/folder.yaml", withIntermediateDirectories: false)
        try directory.write(Self.service("api"), to: "folder.yaml/api.yaml")
        try directory.write("", to: "huge.yaml")
        #expect(truncate(path + "/huge.yaml", 1 << 30) == 0)
        let start = ContinuousClock.now
        let (events, problems) = ManifestLoader.load(directories: [path])
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(events.count == 2)
        #expect(
            Set(problems.map(\.description)) == [
                "look at \(path)/pipe.yaml: it is a named pipe, which is not read; write a regular file",
                "look at \(path)/zero.yaml: it is a device, which is not read; write a regular file",
                "look at \(path)/null.json: it is a device, which is not read; write a regular file",
                "cannot read \(path)/huge.yaml: file too large; split it: a manifest may have 256 MiB",
            ])
    }

    @Test("a change waits for no period in which directories are looked over")
    func latency() async throws {
        var reader = try Reader(directory)
        await reader.waitForPorts([:])
        var delays: [Duration] = []
        for port in 1...20 {
            try directory.write(Manifests.service(port: port), to: "web.yaml")
            let written = ContinuousClock().now
            await reader.waitForPorts(["web": UInt16(port)])
            delays.append(ContinuousClock().now - written)
        }
        // The median, and far below the shortest period there is: other tests share the machine.
        #expect(delays.sorted()[10] < .milliseconds(400))
    }

    @Test("sub-directories come, move and go")
    func subdirectories() async throws {
        try directory.makeDirectory("a/b")
        try directory.write(Manifests.service(), to: "a/b/web.yaml")
        var reader = try Reader(directory)
        await reader.waitForPorts(["web": 80])
        try directory.makeDirectory("c/d")
        try directory.write(Manifests.service("api", ip: "10.96.0.16"), to: "c/d/api.yaml")
        await reader.waitForPorts(["web": 80, "api": 80])
        try directory.rename("c/d", to: "a/e")
        try directory.write(Manifests.service("api", ip: "10.96.0.16", port: 81), to: "a/e/api.yaml")
        await reader.waitForPorts(["web": 80, "api": 81])
        try directory.remove("a")
        await reader.waitForPorts([:])
    }

    @Test("a ConfigMap volume swaps its symlink")
    func configMap() async throws {
        for (name, port) in [("..2024_01", 80), ("..2024_02", 81), ("..2024_03", 82)] {
            try directory.makeDirectory(name)
            try directory.write(Manifests.service(port: port), to: "\(name)/web.yaml")
        }
        try directory.link("..data", to: "..2024_01")
        try directory.link("web.yaml", to: "..data/web.yaml")
        var reader = try Reader(directory)
        await reader.waitForPorts(["web": 80])
        #expect(reader.problems.isEmpty)
        for (old, new, port) in [("..2024_01", "..2024_02", UInt16(81)), ("..2024_02", "..2024_03", 82)] {
            try directory.link("..data_tmp", to: new)
            try directory.rename("..data_tmp", to: "..data")
            try directory.remove(old)
            await reader.waitForPorts(["web": port])
        }
        #expect(reader.problems.isEmpty)
    }

    @Test("a manifest behind a symlink to another place is followed")
    func symlink() async throws {
        let elsewhere = try TemporaryDirectory()
        try elsewhere.write(Manifests.service(), to: "web.yaml")
        try directory.link("web.yaml", to: elsewhere.path + "/web.yaml")
        try directory.link("loop", to: directory.path)
        var reader = try Reader(directory)
        await reader.waitForPorts(["web": 80])
        try elsewhere.write(Manifests.service(port: 81), to: "web.yaml")
        await reader.waitForPorts(["web": 81])
        try elsewhere.write(Manifests.service(port: 82), to: "new")
        try elsewhere.rename("new", to: "web.yaml")
        await reader.waitForPorts(["web": 82])
    }

    /// Ways to take the manifests away that say nothing about the Services.
    enum Loss: String, CaseIterable, Sendable {
        case movedAway, deleted, replacedByAFile, replacedByALoop

        var cause: String {
            switch self {
            case .movedAway, .deleted: "no such file or directory; create it"
            case .replacedByAFile: "not a directory; name the directory that holds the manifests"
            case .replacedByALoop: "too many levels of symbolic links; check the file system"
            }
        }
    }

    @Test(
        "a directory that is lost takes nothing with it, is named, and is followed when it is back",
        arguments: Loss.allCases)
    func lost(_ loss: Loss) async throws {
        try directory.makeDirectory("m/sub")
        try directory.write(Manifests.service(), to: "m/web.yaml")
        try directory.write(Manifests.service("api", ip: "10.96.0.16"), to: "m/sub/api.yaml")
        var reader = try Reader([directory.path + "/m"])
        await reader.waitForPorts(["web": 80, "api": 80])
        if loss == .deleted { try directory.remove("m") } else { try directory.rename("m", to: "elsewhere") }
        if loss == .replacedByAFile { try directory.write("nothing", to: "m") }
        if loss == .replacedByALoop { try directory.link("m", to: "m") }
        await reader.wait { !$0.problems.isEmpty }
        #expect(reader.ports == ["web": 80, "api": 80])
        #expect(
            reader.problems.map(\.description) == [
                "cannot read \(directory.path)/m: \(loss.cause); until then all stays as it was read there last"
            ])
        // Another directory, with other contents.
        try directory.makeDirectory("new")
        try directory.write(Manifests.service(port: 81), to: "new/web.yaml")
        if [.replacedByAFile, .replacedByALoop].contains(loss) { try directory.remove("m") }
        try directory.rename("new", to: "m")
        await reader.waitForPorts(["web": 81])
        #expect(reader.problems.isEmpty)
        try directory.write(Manifests.service(port: 82), to: "m/web.yaml")
        await reader.waitForPorts(["web": 82])
    }

    enum Swap: String, CaseIterable, Sendable { case rename, symlink, directoryAbove }

    @Test("a directory that is swapped for another one is one change, without a complaint", arguments: Swap.allCases)
    func swapped(_ swap: Swap) async throws {
        for (name, port) in [("old/m", 80), ("new/m", 81)] {
            try directory.makeDirectory(name)
            try directory.write(Manifests.service(port: port), to: "\(name)/web.yaml")
        }
        try directory.write(Manifests.service("api", ip: "10.96.0.16"), to: "new/m/api.yaml")
        if swap == .symlink { try directory.link("link", to: "old/m") }
        var reader = try Reader([directory.path + (swap == .symlink ? "/link" : "/old/m")])
        await reader.waitForPorts(["web": 80])
        switch swap {
        case .rename:
            try directory.rename("old/m", to: "gone")
            try directory.rename("new/m", to: "old/m")
        case .symlink:
            try directory.link("link_tmp", to: "new/m")
            try directory.rename("link_tmp", to: "link")
        case .directoryAbove:
            try directory.rename("old", to: "gone")
            try directory.rename("new", to: "old")
        }
        await reader.waitForPorts(["web": 81, "api": 80])
        let now = swap == .symlink ? "new/m" : "old/m"
        try directory.write(Manifests.service(port: 82), to: "\(now)/web.yaml")
        await reader.waitForPorts(["web": 82, "api": 80])
        #expect(reader.problems.isEmpty)
    }

    @Test("files that are removed one after the other say nothing until it is over: the directory may follow")
    func removedOneByOne() async throws {
        try directory.makeDirectory("m")
        for name in ["web", "api", "dns"] { try directory.write(Self.service(name), to: "m/\(name).yaml") }
        var reader = try Reader([directory.path + "/m"])
        await reader.wait { $0.ports.count == 3 }
        for name in ["web", "api", "dns"] {
            try directory.remove("m/\(name).yaml")
            // Longer than a burst lasts.
            try await Task.sleep(for: .milliseconds(60))
        }
        try directory.remove("m")
        await reader.wait { !$0.problems.isEmpty }
        #expect(reader.ports.count == 3)
        try directory.makeDirectory("m")
        try directory.write(Manifests.service("web"), to: "m/web.yaml")
        await reader.waitForPorts(["web": 80])
    }

    @Test("a directory that comes back soon takes nothing with it either")
    func backSoon() async throws {
        try directory.makeDirectory("m")
        for name in ["web", "api"] { try directory.write(Self.service(name), to: "m/\(name).yaml") }
        var reader = try Reader([directory.path + "/m"])
        await reader.wait { $0.ports.count == 2 }
        try directory.remove("m")
        await reader.wait { !$0.problems.isEmpty }
        try directory.makeDirectory("m")
        for name in ["web", "dns"] { try directory.write(Self.service(name, port: 81), to: "m/\(name).yaml") }
        await reader.wait { $0.problems.isEmpty && $0.ports == ["web": 81, "dns": 81] }
        #expect(reader.gone == ["api"], "web was gone in between")
    }

    @Test("a file that is removed and made again within a moment was never away")
    func madeAgain() async throws {
        try directory.write(Manifests.service(), to: "web.yaml")
        try directory.write(Self.service("api"), to: "api.yaml")
        var reader = try Reader(directory)
        await reader.wait { $0.ports.count == 2 }
        try directory.remove("web.yaml")
        try await Task.sleep(for: .milliseconds(60))
        try directory.write(Manifests.service(port: 81), to: "web.yaml")
        await reader.waitForPorts(["web": 81, "api": 80])
        #expect(reader.gone.isEmpty)
        try directory.remove("api.yaml")
        await reader.waitForPorts(["web": 81])
    }

    @Test("a directory that is made anew is read once it is filled")
    func refilled() async throws {
        try directory.makeDirectory("m")
        for name in ["web", "api"] { try directory.write(Self.service(name), to: "m/\(name).yaml") }
        var reader = try Reader([directory.path + "/m"])
        await reader.wait { $0.ports.count == 2 }
        try directory.rename("m", to: "old")
        await reader.wait { !$0.problems.isEmpty }
        try directory.makeDirectory("m")
        let before = reader.count
        try await Task.sleep(for: .milliseconds(120))
        for name in ["web", "api"] { try directory.write(Self.service(name, port: 81), to: "m/\(name).yaml") }
        await reader.wait { $0.ports.values.allSatisfy { $0 == 81 } }
        #expect(reader.gone.isEmpty)
        #expect(reader.count == before + 1, "it was read while it was filled")
    }

    @Test("a broken file keeps the last good version and says so once")
    func broken() async throws {
        try directory.write(Manifests.service(), to: "web.yaml")
        var reader = try Reader(directory)
        await reader.waitForPorts(["web": 80])
        try directory.write("spec: [", to: "web.yaml")
        await reader.wait { !$0.problems.isEmpty }
        #expect(reader.ports == ["web": 80])
        #expect(reader.problems.map(\.origin) == [directory.path + "/web.yaml"])
        try directory.write(Manifests.service(port: 81), to: "web.yaml")
        await reader.waitForPorts(["web": 81])
        #expect(reader.problems.isEmpty)
    }

    @Test("a file half written is not read until its writer closes it")
    func halfWritten() async throws {
        try directory.write(Manifests.service(), to: "web.yaml")
        var reader = try Reader(directory)
        await reader.waitForPorts(["web": 80])
        let file = try #require(FileHandle(forWritingAtPath: directory.path + "/web.yaml"))
        try file.truncate(atOffset: 0)
        // `kubectl get -o yaml > web.yaml` asks the API server between the two.
        try await Task.sleep(for: .milliseconds(600))
        // Another change makes the source look while the first file is empty.
        try directory.write(Manifests.service("api", ip: "10.96.0.16"), to: "api.yaml")
        await reader.waitForPorts(["web": 80, "api": 80])
        try file.write(contentsOf: Data(Manifests.service(port: 81).utf8))
        try file.close()
        await reader.waitForPorts(["web": 81, "api": 80])
    }

    @Test("a burst of 500 writes comes in few batches")
    func burst() async throws {
        var reader = try Reader(directory)
        await reader.waitForPorts([:])
        let start = ContinuousClock().now
        for number in 0..<500 {
            try directory.write(
                Manifests.service("s\(number)", ip: "10.96.\(number / 250).\(number % 250)"), to: "\(number).yaml")
        }
        let duration = ContinuousClock().now - start
        await reader.wait { $0.ports.count == 500 }
        let most = Int(duration / QuietBounds.longest) + 4
        #expect(reader.count - 1 <= most, "\(reader.count - 1) batches for a burst of \(duration)")
    }

    private enum QuietBounds { static let longest = Duration.milliseconds(40) }

    @Test("an unreadable file is told and read once it may be")
    func unreadable() async throws {
        try directory.link("web.yaml", to: "web.yaml")
        try directory.write(Manifests.service("api", ip: "10.96.0.16"), to: "api.yaml")
        var reader = try Reader(directory)
        await reader.waitForPorts(["api": 80])
        try directory.remove("web.yaml")
        try directory.write(Manifests.service(), to: "web.yaml")
        await reader.waitForPorts(["web": 80, "api": 80])
    }

    @Test("a file without permission is a problem", .enabled(if: geteuid() != 0, "root may read everything"))
    func permission() throws {
        try directory.write(Manifests.service(), to: "web.yaml")
        chmod(directory.path + "/web.yaml", 0)
        let problems = ManifestLoader.load(directories: [directory.path]).problems
        #expect(
            problems.map(\.description) == [
                "cannot read \(directory.path)/web.yaml: permission denied; let swiftlet read it"
            ])
    }

    @Test("a directory that is not there is refused at the start")
    func missing() {
        let error = #expect(throws: ManifestSourceError.self) {
            _ = try ManifestSource(directories: [directory.path + "/absent"])
        }
        #expect(
            error?.description == "cannot watch manifests in \(directory.path)/absent: "
                + "no such file or directory; create the directory or name another one")
    }

    @Test("several directories are one state")
    func several() async throws {
        let other = try TemporaryDirectory()
        try directory.write(Manifests.service(), to: "web.yaml")
        try other.write(Manifests.slice(), to: "slice.json.yaml")
        var reader = try Reader([directory.path, other.path + "/"])
        await reader.waitForPorts(["web": 80])
        #expect(reader.slices == ["web-1"])
    }

    @Test("a source that is stopped ends its stream and frees its descriptors")
    func stopping() async throws {
        let before = try descriptors()
        for _ in 0..<50 {
            let source = try ManifestSource(directories: [directory.path])
            source.stop()
            for await _ in source.batches {}
        }
        // The stream ends a little before the thread does.
        for _ in 0..<200 where try descriptors() > before + 20 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try descriptors() <= before + 20)
    }

    /// Descriptors of this process, to which other tests add a few.
    private func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}
