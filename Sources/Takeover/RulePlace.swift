package import ServiceModel

/// A program that writes rules for packets into the kernel.
///
/// iptables exists twice: its old tables, and those that it keeps in nftables. A node may hold rules in both.
package enum RuleTool: String, CaseIterable, Sendable, Codable {
    case nft
    case iptablesNFT = "iptables-nft"
    case iptablesLegacy = "iptables-legacy"
}

/// Where rules of kube-proxy may be: one tool's, for one IP family.
package struct RulePlace: Hashable, Sendable, CustomStringConvertible {
    package let tool: RuleTool
    package let family: IPFamily

    package static let all = RuleTool.allCases.flatMap { tool in
        IPFamily.allCases.map { RulePlace(tool: tool, family: $0) }
    }

    package var description: String { "\(tool.rawValue), IPv\(family == .v4 ? 4 : 6)" }

    /// nftables' name of the family.
    var keyword: String { family == .v4 ? "ip" : "ip6" }

    /// What the saved rules are called.
    var fileName: String { "\(tool.rawValue)-\(keyword).rules" }

    /// The program that shows the rules; nil if it is not installed.
    var reader: String? { ToolRun.path(of: readerName) }

    /// Whether it can be looked at: whether the tool is installed.
    package var isReadable: Bool { reader != nil }

    package var readerName: String {
        switch tool {
        case .nft: "nft"
        case .iptablesNFT, .iptablesLegacy: "\(iptables)-save"
        }
    }

    private var writerName: String {
        switch tool {
        case .nft: "nft"
        case .iptablesNFT, .iptablesLegacy: "\(iptables)-restore"
        }
    }

    /// `ip6tables-legacy`.
    private var iptables: String { (family == .v4 ? "iptables-" : "ip6tables-") + tool.rawValue.dropFirst(9) }

    /// Puts a script into force; each table's part of it as a whole or not at all.
    func apply(_ script: String) throws(TakeoverError) { try write(script, check: false) }

    /// Whether the tool would take the script; changes nothing.
    func check(_ script: String) throws(TakeoverError) { try write(script, check: true) }

    private func write(_ script: String, check: Bool) throws(TakeoverError) {
        guard let path = ToolRun.path(of: writerName) else {
            throw TakeoverError("change rules of", "\(self)", cause: "\(writerName) is not installed")
        }
        let arguments: [String] =
            switch tool {
            case .nft: (check ? ["--check"] : []) + ["--file", "-"]
            // What is not in the script stays; another iptables that is at work is waited for.
            case .iptablesNFT, .iptablesLegacy: ["--noflush", "--wait", "10"] + (check ? ["--test"] : [])
            }
        _ = try ToolRun.output(of: path, [writerName] + arguments, input: script)
    }
}
