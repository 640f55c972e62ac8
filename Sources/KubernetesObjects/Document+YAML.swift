extension Document {
    /// The document as YAML in block style, as kubectl prints it: lists stand at the depth of their key.
    ///
    /// Plain scalars keep their text, so that it is for documents that were JSON.
    package var yaml: String {
        guard !nodes.isEmpty else { return "" }
        var text = ""
        if isNested(0) { write(0, indent: "", isBegun: false, to: &text) } else { text = scalar(0) + "\n" }
        return text
    }

    /// - Parameter isBegun: the first line has its indentation already, behind the dash of a list.
    private func write(_ index: Int, indent: String, isBegun: Bool, to text: inout String) {
        var isBegun = isBegun
        func beginLine() {
            text += isBegun ? "" : indent
            isBegun = false
        }
        if isMap(index) {
            for (key, value) in members(of: index) {
                beginLine()
                text += Self.yaml(of: self.key(at: key)) + ":"
                guard isNested(value) else {
                    text += " \(scalar(value))\n"
                    continue
                }
                text += "\n"
                write(value, indent: isList(value) ? indent : indent + "  ", isBegun: false, to: &text)
            }
        } else {
            for element in elements(of: index) {
                beginLine()
                text += "- "
                guard isNested(element) else {
                    text += "\(scalar(element))\n"
                    continue
                }
                write(element, indent: indent + "  ", isBegun: true, to: &text)
            }
        }
    }

    /// A list or map that has something in it.
    private func isNested(_ index: Int) -> Bool {
        isMap(index) ? !members(of: index).isEmpty : isList(index) && !elements(of: index).isEmpty
    }

    private func scalar(_ index: Int) -> String {
        switch value(at: index) {
        case .null: "null"
        case .plain(let text): text
        case .quoted(let text): Self.yaml(of: text)
        case .list: "[]"
        case .map: "{}"
        }
    }

    /// A text without quotes where no reader of YAML could take it for something else.
    private static func yaml(of text: String) -> String {
        let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"]
        let isPlain =
            text.utf8.first.map { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20 } == true
            && text.utf8.allSatisfy(isHarmless) && text.utf8.last != UInt8(ascii: " ")
            && !words.contains(text.lowercased())
        return isPlain ? text : quoted(text)
    }

    private static func isHarmless(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: " -_./()".utf8.contains(byte)
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\x" + (digits.count == 1 ? "0" : "") + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
