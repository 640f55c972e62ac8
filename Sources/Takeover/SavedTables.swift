/// What `iptables-save` prints: tables of chains and rules, all in their order.
struct SavedTables: Equatable {
    struct Table: Equatable {
        var name: String
        var chains: [Chain] = []
        var rules: [Rule] = []

        /// The number of a rule within its chain, from 1; what `-I CHAIN NUMBER` takes.
        func position(ofRuleAt index: Int) -> Int {
            rules[...index].count { $0.chain == rules[index].chain }
        }
    }

    struct Chain: Equatable {
        var name: String
        /// `ACCEPT` or `DROP`; nil for a user-defined chain.
        var policy: String?
    }

    struct Rule: Equatable {
        var chain: String
        /// What stands behind `-A CHAIN`.
        var specification: String

        /// The words of it. One in quotes is one word, with what it says and without the quotes.
        var words: [String] { RuleWords.split(specification) }

        /// The chain, or the verdict, that it leads to.
        var target: String? {
            let words = words
            guard let place = words.firstIndex(where: { ["-j", "-g"].contains($0) }) else { return nil }
            return words.indices.contains(place + 1) ? words[place + 1] : nil
        }
    }

    var tables: [Table] = []
    /// Tables that hold something which iptables cannot show.
    var unreadable: [String] = []

    init(_ text: String) throws(TakeoverError) {
        for line in text.split(separator: "\n") {
            switch line.first {
            case "#": noteUnreadable(line)
            case "*": tables.append(Table(name: String(line.dropFirst())))
            case ":": try addChain(line)
            case "-", "[": try addRule(line)
            default: guard line == "COMMIT" else { throw Self.strange(line) }
            }
        }
    }

    /// `# Table `nat' is incompatible, use 'nft' tool.`
    private mutating func noteUnreadable(_ line: Substring) {
        let words = line.split(separator: " ")
        guard line.hasSuffix("use 'nft' tool."), words.count > 2 else { return }
        unreadable.append(String(words[2].drop { $0 == "`" }.prefix { $0 != "'" }))
    }

    /// `:INPUT ACCEPT [0:0]`
    private mutating func addChain(_ line: Substring) throws(TakeoverError) {
        let words = line.dropFirst().split(separator: " ")
        guard words.count >= 2, !tables.isEmpty else { throw Self.strange(line) }
        let policy = words[1] == "-" ? nil : String(words[1])
        tables[tables.count - 1].chains.append(Chain(name: String(words[0]), policy: policy))
    }

    /// `-A INPUT -j ACCEPT`, perhaps behind counters: `[3:180] `.
    private mutating func addRule(_ line: Substring) throws(TakeoverError) {
        var rest = line
        if rest.first == "[" { rest = rest.drop { $0 != " " }.dropFirst() }
        let words = rest.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0] == "-A", !tables.isEmpty else { throw Self.strange(line) }
        let rule = Rule(chain: String(words[1]), specification: words.count > 2 ? String(words[2]) : "")
        tables[tables.count - 1].rules.append(rule)
    }

    private static func strange(_ line: Substring) -> TakeoverError {
        TakeoverError("understand", "the output of iptables-save", cause: "a line is \"\(line.prefix(100))\"")
    }
}

/// Words as iptables-save writes them: separated by a space, in double quotes if they hold one.
enum RuleWords {
    static func split(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var (isQuoted, isEscaped, isOpen) = (false, false, false)
        for character in text {
            if isEscaped {
                word.append(character)
                isEscaped = false
            } else if character == "\\" && isQuoted {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
                isOpen = true
            } else if character == " " && !isQuoted {
                if isOpen || !word.isEmpty { words.append(word) }
                (word, isOpen) = ("", false)
            } else {
                word.append(character)
            }
        }
        return isOpen || !word.isEmpty ? words + [word] : words
    }
}
