import DatapathInstall
import Foundation
import NIOCore
import ServiceModel
import ServiceNames
import Settings
import TestKit
import Testing
@testable import DNSMessage
@testable import KubernetesAPI
@testable import KubernetesObjects
@testable import ManifestDirectory
@testable import NameServer
@testable import SwiftletDaemon

/// What comes from outside may be anything: it is read or refused, in bounded time, and nothing traps.
///
/// The inputs are made from the files in `Corpus`. One that found a mistake becomes a file there.
@Suite("Whatever is read")
struct ParserTests {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Corpus"
    private static let seeds: [UInt64] = [1, 2]
    private static let words = [
        "apiVersion: v1\n", "kind: Service\n", "kind: List\nitems:\n", "---\n", "...\n", "&a ", "*a", "<<: *a\n",
        "!!binary ",
        "? ", "| \n", ">-\n", "\t", "\r\n", "\u{FEFF}", "\0", "null", "~", "{}", "[]", "\"\"", "'", "\\u0000",
        "\\ud800",
        "10.96.0.15", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0/0", "::/129", "kubernetes.io/service-name", ",", ":", "#",
        "\"type\":\"ADDED\",", "\"object\":{", "\"items\":[", "\n", "}", "]", "true", "TCP", "SCTP", "Local", "é",
        "\u{FF}",
    ]

    /// Runs inputs through a closure; each must end soon.
    private func run(
        _ name: String, of made: [[UInt8]]? = nil, seed: UInt64, _ body: ([UInt8]) throws -> Void
    ) throws {
        let corpus = try made ?? Mutator.corpus("\(Self.corpus)/\(name)")
        #expect(!corpus.isEmpty)
        for whole in corpus { try body(whole) }
        var mutator = Mutator(corpus, words: Self.words, seed: seed)
        let run = try FuzzRun(name, seed: seed)
        for number in 0..<FuzzRun.count {
            let input = mutator.next()
            try run.note(input)
            let start = ContinuousClock.now
            try body(input)
            let time = ContinuousClock.now - start
            #expect(time < .seconds(5), "input \(number) of seed \(seed) took \(time)")
        }
    }

    @Test("manifests are read or refused with a sentence, and what is read is compiled", arguments: seeds)
    func manifests(seed: UInt64) throws {
        let node = NodeConfiguration(
            NodeSettings(name: "node-1"), node: nil, localAddresses: [IPAddress(v4: 0xC000_0201)])
        var objects = 0
        try run("manifests", seed: seed) { input in
            let text = String(decoding: input, as: UTF8.self)
            for name in ["manifest.yaml", "manifest.json"] {
                let (events, problems) = ManifestLoader.load(text: text, named: name)
                for problem in problems { Self.expectSentence(problem.description) }
                objects += events.count
                var state = ClusterState(ownNode: "node-1")
                var compiler = Compiler()
                let dirty = state.apply(events)
                _ = compiler.update(dirty: dirty, state: state, node: node)
                let keys = compiler.desired.services.values.flatMap(\.ports).flatMap(\.frontends).map(\.key)
                #expect(Set(keys).count == keys.count, "a frontend twice in \(text)")
            }
        }
        #expect(objects > FuzzRun.count / 10, "the changes leave nothing to read: \(objects)")
    }

    @Test("a watch is cut into the same lines however it arrives, and each is read or refused", arguments: seeds)
    func watches(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var (read, refused) = (0, 0)
        try run("watch", seed: seed) { input in
            var (pieces, whole) = (LineBuffer(), LineBuffer())
            whole.append(ByteBuffer(bytes: input))
            var (inPieces, atOnce): ([[UInt8]], [[UInt8]]) = ([], [])
            var rest = input[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...min(rest.count, 2_000), using: &random)
                pieces.append(ByteBuffer(bytes: rest.prefix(count)))
                rest = rest.dropFirst(count)
                while let line = pieces.next() { inPieces.append(line) }
            }
            while let line = whole.next() { atOnce.append(line) }
            #expect(inPieces == atOnce)
            let reader = APIObjectReader(origin: "https://10.0.0.1")
            for line in atOnce {
                do throws(SyntaxError) {
                    _ = try reader.watchEvent(line)
                    read += 1
                } catch {
                    Self.expectSentence(error.text)
                    refused += 1
                }
            }
            if let page = try? reader.listPage(input) {
                for problem in page.objects.flatMap(\.problems) { Self.expectSentence(problem.description) }
            }
            _ = reader.status(input)
        }
        #expect(read > FuzzRun.count / 4 && refused > FuzzRun.count / 10, "\(read) read, \(refused) refused")
    }

    @Test(
        "a list is cut into the same items however it arrives, takes no more room than came, and loses no object",
        arguments: seeds)
    func lists(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var (cuts, refused) = (0, 0)
        try run("lists", seed: seed) { input in
            let whole = CutList(input) { input.count }
            let longest = random.chance(2) ? 9 : 900
            #expect(CutList(input) { Int.random(in: 1...longest, using: &random) } == whole)
            #expect(whole.isBounded)
            whole.refusal.map(Self.expectSentence)
            cuts += whole.items.count
            refused += whole.refusal == nil ? 0 : 1
            // What can be read at once can be read in pieces, and is the same.
            let reader = APIObjectReader(origin: "https://10.0.0.1")
            guard let page = try? reader.listPage(input), let kind = page.kind, whole.refusal == nil else { return }
            let round = try reader.listPage(whole.envelope)
            #expect(round.kind == kind && round.resourceVersion == page.resourceVersion)
            let items = try whole.items.map { item in
                try item.borrowed { item throws(SyntaxError) in try reader.item(item, of: kind) }
            }
            let all = items + round.objects
            #expect(all.count == page.objects.count && Set(all.map(\.event)) == Set(page.objects.map(\.event)))
            func problems(_ objects: [APIObject]) -> [String] {
                objects.flatMap(\.problems).map(\.description).sorted()
            }
            #expect(problems(all) == problems(page.objects))
        }
        #expect(cuts > FuzzRun.count && refused > FuzzRun.count / 100, "\(cuts) items, \(refused) refused")
    }

    /// What a list is cut into that arrives in pieces.
    private struct CutList: Equatable {
        var items: [[UInt8]] = []
        var envelope: [UInt8] = []
        var refusal: String?
        /// At no moment was more kept than had come.
        var isBounded = true

        init(_ bytes: [UInt8], size: () -> Int) {
            var (cutter, rest) = (ListCutter(), bytes[...])
            while !rest.isEmpty, refusal == nil {
                let piece = Array(rest.prefix(size()))
                rest = rest.dropFirst(piece.count)
                do throws(SyntaxError) {
                    try piece.borrowed { piece throws(SyntaxError) in
                        try cutter.add(piece) { items.append(Array($0)) }
                    }
                } catch {
                    refusal = error.text
                }
                isBounded = isBounded && cutter.keptBytes <= bytes.count - rest.count
            }
            // After a mistake the rest is of no use.
            envelope = refusal == nil ? cutter.envelope : []
        }
    }

    @Test("a message of DNS is a question, an answer or neither, and what is said to it can be read", arguments: seeds)
    func names(seed: UInt64) throws {
        let table = NameTable(.init(domain: try #require(DomainName("cluster.local"))))
        table.update([], isComplete: true)
        let resolver = NameResolver(
            table: table, admission: Admission(allowed: []), counters: NameServerCounters(), upstream: nil,
            seconds: { 0 })
        let client = try #require(IPAddress("127.0.0.1"))
        var (questions, answers) = (0, 0)
        try run("dns", seed: seed) { input in
            if let query = try? Query(input) {
                questions += 1
                let outcome = resolver.resolve(input, from: client, .datagram, later: { _ in })
                guard case .answer(let bytes) = outcome else {
                    Issue.record("nothing is said to \(input)")
                    return
                }
                #expect(bytes.count <= query.largestDatagram)
                #expect(ForeignResponse(bytes)?.question == query.question)
            }
            if let response = ForeignResponse(input) {
                answers += 1
                let query = try Query(Query.message(for: response.question))
                #expect(response.encoded(for: query, age: 7, limit: 65_535).count == input.count)
                #expect(response.addresses(for: response.question).count <= input.count)
            }
        }
        #expect(questions > FuzzRun.count / 30 && answers > FuzzRun.count / 30, "\(questions), \(answers)")
    }

    @Test("a kubeconfig is a connection or a refusal", arguments: seeds)
    func kubeconfigs(seed: UInt64) throws {
        var connections = 0
        try run("kubeconfig", seed: seed) { input in
            for document in readYAML(input) {
                guard case .success(let content) = document.content else { continue }
                for context in [nil, "other"] {
                    do throws(KubernetesError) {
                        _ = try Kubeconfig(content, file: "/etc/config").connection(context: context)
                        connections += 1
                    } catch {
                        Self.expectSentence("\(error)")
                    }
                }
            }
        }
        #expect(connections > FuzzRun.count / 10)
    }

    @Test("a configuration is settings or a refusal", arguments: seeds)
    func configurations(seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        var layers = 0
        try run("configuration", seed: seed) { input in
            try directory.write(input, to: "config.yaml")
            do throws(ConfigurationError) {
                _ = try ConfigurationLayer(file: directory.path + "/config.yaml")
                layers += 1
            } catch {
                Self.expectSentence("\(error)")
            }
        }
        #expect(layers > FuzzRun.count / 200, "\(layers)")
    }

    @Test("a state cache is the one that was written, or none", arguments: seeds)
    func caches(seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        let cache = StateCache(path: directory.path + "/state.yaml")
        let good = try Mutator.corpus("\(Self.corpus)/manifests").map { text in
            let (events, _) = ManifestLoader.load(text: String(decoding: text, as: UTF8.self))
            try cache.write(events, node: "node-1", at: UnixTime(nanoseconds: 1_769_853_600_500_000_000))
            return try directory.read("state.yaml")
        }
        try run("cache", of: good, seed: seed) { input in
            try directory.write(input, to: "state.yaml")
            do throws(StateCacheError) {
                _ = try cache.read(node: "node-1")
                #expect(good.contains(input), "believed a changed cache")
            } catch {
                #expect(!good.contains(input))
                Self.expectSentence("\(error)")
            }
        }
    }

    /// What a person is told is one line that says something, and holds nothing that a terminal would act upon.
    private static func expectSentence(_ text: String) {
        let isPrintable = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        #expect(isPrintable && text.count > 10 && text.count < 2_000, "\(text.prefix(3_000).debugDescription)")
    }
}
