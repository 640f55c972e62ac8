import Glibc

/// Commands that make the lab (`ip`, `nft`), run to their end.
package enum Command {
    /// Runs a command and returns what it wrote on standard output.
    ///
    /// - Throws: the command's own words from standard error when it does not exit with 0.
    @discardableResult
    package static func run(_ arguments: String..., input: String? = nil) throws(LabError) -> String {
        try run(arguments, input: input)
    }

    /// As above, inside a network namespace if one is given.
    ///
    /// - Parameter milliseconds: how long the command may say nothing.
    @discardableResult
    package static func run(
        _ arguments: [String], in namespace: String? = nil, input: String? = nil, within milliseconds: Int = 60_000
    ) throws(LabError) -> String {
        var child = try ChildProcess(
            arguments, in: namespace, input: input == nil ? .null : .pipe, output: .pipe, errors: .merged)
        if let input {
            // A command that ends without reading says why on its output: that is the better message.
            try? child.write(input)
        }
        child.closeInput()
        let output = try child.readToEnd(within: milliseconds)
        let status = try child.wait()
        guard status == .exited(0) else {
            let lines = output.split(whereSeparator: \.isNewline)
            // Plugins of CNI fail in JSON.
            let words = lines.first == "{" ? lines.joined(separator: " ") : lines.first.map(String.init) ?? "\(status)"
            throw LabError("run", arguments.prefix(6).joined(separator: " "), cause: words, advice: advice(words))
        }
        return output
    }

    private static func advice(_ words: String) -> String? {
        words.contains("not permitted") || words.contains("denied") ? "run as root" : nil
    }
}
