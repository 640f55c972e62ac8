import KubernetesObjects
import ServiceModel
import TestKit
import Testing

@Suite("Lists as they arrive")
struct ListCutterTests {
    private static let list = """
        {"kind": "ServiceList", "items": [
        {"metadata": {"name": "a", "annotations": {"x": "]}\\"{[", "items": "["}}, "spec": {"ports": [{"port": 80}]}},\t{},
        {"metadata": {"name": "b"}, "items": [1, {"a": []}], "spec": {"ports": [{"port": 81}, {"name": "é", "port": 82}]}}
        ], "metadata": {"resourceVersion": "7", "items": [], "continue": "m]ore"}, "apiVersion": "v1"}
        """

    private func cut(_ bytes: [UInt8], _ size: () -> Int) throws -> (items: [String], envelope: String) {
        var cutter = ListCutter()
        var items: [String] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(size()))
            rest = rest.dropFirst(piece.count)
            try piece.withUnsafeBytes { piece in
                try cutter.add(piece) { item in items.append(String(decoding: item, as: UTF8.self)) }
            }
        }
        return (items, String(decoding: cutter.envelope, as: UTF8.self))
    }

    @Test("the items are the same however the list is cut into pieces, and what is round them is a list without items")
    func pieces() throws {
        let bytes = Array(Self.list.utf8)
        let whole = try cut(bytes) { bytes.count }
        #expect(whole.items.count == 3 && whole.items[1] == "{}")
        #expect(whole.items[0].hasPrefix(#"{"metadata": {"name": "a""#) && whole.items[2].hasSuffix("82}]}}"))
        let page = try APIObjectReader(origin: "x").listPage(Array(whole.envelope.utf8))
        #expect(page.objects.isEmpty && page.resourceVersion == "7" && page.continuation == "m]ore")
        var random = SeededGenerator(seed: 1)
        for size in 1...40 { #expect(try cut(bytes) { size } == whole) }
        for _ in 0..<200 { #expect(try cut(bytes) { Int.random(in: 1...60, using: &random) } == whole) }
    }

    @Test(
        "what is no list of objects is refused, or is in the envelope as it was",
        arguments: [
            #"{"items": [1]}"#, #"{"items": [null]}"#, #"{"items": ["a"]}"#, "<html>", #"{"items": null}"#, "][", "",
            #"[{"items": [{}]}]"#,
        ])
    func others(text: String) throws {
        let bytes = Array(text.utf8)
        guard let (items, envelope) = try? cut(bytes, { 3 }) else { return }
        #expect(items.isEmpty)
        #expect(throws: SyntaxError.self) { try APIObjectReader(origin: "x").listPage(Array(envelope.utf8)) }
    }

    @Test("a key that is written in some other way leaves the items in the envelope: none is lost")
    func escapedKey() throws {
        let text = Self.list.replacing(#""items": ["#, with: #""\u0069tems": ["#, maxReplacements: 1)
        let (items, envelope) = try cut(Array(text.utf8)) { 7 }
        #expect(items.isEmpty)
        #expect(try APIObjectReader(origin: "x").listPage(Array(envelope.utf8)).objects.count == 3)
    }

    @Test("an item longer than any object is refused while it comes")
    func longItem() throws {
        var cutter = ListCutter()
        try Array(#"{"items":[{"metadata":{"name":""#.utf8).withUnsafeBytes { try cutter.add($0) { _ in } }
        let part = [UInt8](repeating: 97, count: 1 << 20)
        let error = #expect(throws: SyntaxError.self) {
            for _ in 0..<20 { try part.withUnsafeBytes { try cutter.add($0) { _ in } } }
        }
        #expect(error?.cause == "an item is longer than 16 MiB")
    }

    @Test("a long list takes the room of one item")
    func room() throws {
        var cutter = ListCutter()
        var count = 0
        let item = Array((#"{"metadata": {"name": "a"}},"#).utf8)
        try Array(#"{"items":["#.utf8).withUnsafeBytes { try cutter.add($0) { _ in } }
        for _ in 0..<10_000 { try item.withUnsafeBytes { try cutter.add($0) { _ in count += 1 } } }
        #expect(count == 10_000 && cutter.envelope.count < 20)
    }
}
