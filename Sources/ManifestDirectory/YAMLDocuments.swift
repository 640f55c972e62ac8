import KubernetesObjects

/// One document of a manifest file.
struct ManifestDocument {
    /// Counted from 1.
    var number: Int
    var content: Result<Document, SyntaxError>
    /// Names that stand in one that is broken.
    var names: [String]?
}

/// Reads a YAML text of several documents. A document that is broken leaves the others untouched.
///
/// libyaml gives up at the first mistake, so the text is cut at the `---` lines first: at the start of a line
/// they part documents wherever they stand, even inside a block of text.
func readYAML(_ bytes: [UInt8]) -> [ManifestDocument] {
    var documents: [ManifestDocument] = []
    bytes.withUnsafeBufferPointer { buffer in
        for chunk in yamlChunks(buffer) {
            appendDocuments(of: chunk, in: buffer, to: &documents)
        }
    }
    return documents
}

private func appendDocuments(
    of chunk: YAMLChunk, in buffer: UnsafeBufferPointer<UInt8>, to documents: inout [ManifestDocument]
) {
    var stream = YAMLStream(UnsafeBufferPointer(rebasing: buffer[chunk.range]))
    while true {
        do throws(SyntaxError) {
            guard let document = try stream.nextDocument() else { return }
            documents.append(ManifestDocument(number: documents.count + 1, content: .success(document)))
        } catch {
            let located = SyntaxError(line: error.line.map { $0 + chunk.firstLine }, cause: error.cause)
            documents.append(
                ManifestDocument(
                    number: documents.count + 1, content: .failure(located),
                    names: StateProblem.names(in: buffer[chunk.range])))
            return
        }
    }
}

/// A part of a YAML text that holds one document, with the `---` line before it.
struct YAMLChunk: Equatable {
    var range: Range<Int>
    /// How many lines stand before it.
    var firstLine: Int
}

/// Cuts a text at its `---` lines. What stands before the first one is a chunk only if it has content.
func yamlChunks(_ bytes: UnsafeBufferPointer<UInt8>) -> [YAMLChunk] {
    let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let begin = bytes.starts(with: byteOrderMark) ? byteOrderMark.count : 0
    var chunks: [YAMLChunk] = []
    var current = YAMLChunk(range: begin..<begin, firstLine: 0)
    var hasContent = false
    var line = 0
    var start = begin
    while start < bytes.count {
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count
        if isDocumentStart(bytes[start..<end]) {
            if hasContent {
                chunks.append(YAMLChunk(range: current.range.lowerBound..<start, firstLine: current.firstLine))
                current = YAMLChunk(range: start..<start, firstLine: line)
            }
            hasContent = true
        } else if !hasContent {
            hasContent = isContent(bytes[start..<end])
        }
        line += 1
        start = end
    }
    if hasContent {
        chunks.append(YAMLChunk(range: current.range.lowerBound..<bytes.count, firstLine: current.firstLine))
    }
    return chunks
}

private func isDocumentStart(_ line: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    guard line.prefix(3).elementsEqual([0x2D, 0x2D, 0x2D]) else { return false }
    return line.dropFirst(3).first.map { [0x20, 0x09, 0x0D, 0x0A].contains($0) } ?? true
}

/// Not blank, not a comment, and not a directive, which belongs to the document after it.
private func isContent(_ line: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    if line.first == UInt8(ascii: "%") { return false }
    let first = line.first { ![0x20, 0x09, 0x0D, 0x0A].contains($0) }
    return first.map { $0 != UInt8(ascii: "#") } ?? false
}
