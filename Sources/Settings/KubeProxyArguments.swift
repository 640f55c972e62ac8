/// Arguments as kube-proxy takes them, made ones that swiftlet's commands parse.
///
/// A Boolean flag may stand alone, `_` in a flag's name is `-`, verbosity is `-v=4`, and flags that change nothing
/// become `--without-effect NAME`.
package enum KubeProxyArguments {
    /// The option that collects the names of flags without effect.
    package static let withoutEffect = "without-effect"

    private static let booleans = Set(Setting.all.filter(\.isBoolean).map(\.flag)).union(["cleanup", "init-only"])
    private static let commands: Set<String> = ["run", "compile"]
    private static let booleanWords = [
        "true": "true", "True": "true", "TRUE": "true", "t": "true", "T": "true", "1": "true",
        "false": "false", "False": "false", "FALSE": "false", "f": "false", "F": "false", "0": "false",
    ]

    /// - Parameter arguments: without the program's name; those of other commands stay as they are.
    package static func normalized(_ arguments: [String]) -> [String] {
        guard let command = arguments.first, commands.contains(command) else { return arguments }
        var result = [command]
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            if argument == "--" { return result + [argument] + rest }
            if let verbosity = verbosity(argument) {
                result.append(verbosity)
            } else if argument.hasPrefix("--") {
                result += normalized(flag: argument.dropFirst(2), &rest)
            } else {
                result.append(argument)
            }
        }
        return result
    }

    /// `-v=4`, `-v4` and `-v` are `--v=4` and `--v`.
    private static func verbosity(_ argument: String) -> String? {
        guard argument.hasPrefix("-v") else { return nil }
        let number = argument.dropFirst(2)
        if number.isEmpty { return "--v" }
        let digits = number.hasPrefix("=") ? number.dropFirst() : number
        return digits.allSatisfy(\.isNumber) ? "--v=\(digits)" : nil
    }

    private static func normalized(flag text: Substring, _ rest: inout ArraySlice<String>) -> [String] {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0].map { $0 == "_" ? "-" : $0 })
        let value = parts.count > 1 ? String(parts[1]) : nil
        if let flag = WithoutEffect.flags.first(where: { $0.name == name }) {
            if value == nil, !flag.isBoolean || rest.first.map({ booleanWords[$0] != nil }) == true {
                rest = rest.dropFirst()
            }
            return ["--\(withoutEffect)", name]
        }
        guard booleans.contains(name) else {
            // An empty value is one: `--state-dir=`.
            return value.map { $0.isEmpty ? ["--\(name)", ""] : ["--\(name)=\($0)"] } ?? ["--\(name)"]
        }
        if let value { return ["--\(name)=\(booleanWords[value] ?? value)"] }
        // What follows may be the value, as swiftlet's own flags have it: `--bind-protection false`.
        if let next = rest.first, !next.hasPrefix("-") {
            rest = rest.dropFirst()
            return ["--\(name)=\(booleanWords[next] ?? next)"]
        }
        return ["--\(name)=true"]
    }
}
