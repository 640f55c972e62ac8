import FoundationEssentials
package import ServiceModel

/// The answer of `swiftlet explain`: the steps from the address to the endpoint, and what to change.
///
/// docs/explain.md describes the JSON; a change that could surprise a reader of it raises `currentSchema`.
package struct Explanation: Codable, Sendable, Hashable {
    package static let currentSchema = 1

    package struct Step: Codable, Sendable, Hashable {
        package var text: String
        /// Only of the step that lists them.
        package var endpoints: [Endpoint]?

        package init(text: String, endpoints: [Endpoint]? = nil) {
            self.text = text
            self.endpoints = endpoints
        }
    }

    /// An endpoint, and whether it is used.
    package struct Endpoint: Codable, Sendable, Hashable {
        package var slice: String
        package var address: String
        /// Absent where its slice offers no such port.
        package var port: Int?
        package var pod: String?
        package var node: String?
        package var zone: String?
        /// `ready`, `not ready`, `terminating, serving`, `terminating`.
        package var condition: String
        package var used: Bool
        /// `used`, `left out: readiness` …
        package var outcome: String
        /// A code of the catalogue of reasons, where it is left out.
        package var reason: String?
    }

    /// What to change; the code is `works` where nothing is.
    package struct Verdict: Codable, Sendable, Hashable {
        package var code: String
        package var object: String
        package var text: String
        package var remedy: String
        /// Where the documentation has the code; absent where nothing is to be explained.
        package var docs: String?
    }

    package var schema = Explanation.currentSchema
    package var question: String
    package var works: Bool
    package var steps: [Step]
    package var verdict: Verdict
    /// What could not be looked at, and why.
    package var unseen: [String]

    /// Gives another last word than the one that was found.
    package mutating func decide(_ reason: Reason, works: Bool) {
        self.works = works
        verdict = Verdict(reason)
    }

    /// For tools: keys sorted, one value a line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people: numbered steps, the line that says what to do, and where more is said of it.
    package var text: String {
        var lines: [String] = []
        for (index, step) in steps.enumerated() {
            lines.append("\(index + 1)  \(step.text)")
            lines += Endpoint.rows(step.endpoints ?? []).map { "     \($0)" }
        }
        lines += unseen.map { "?  not seen: \($0)" }
        lines.append(lastLine)
        if let docs = verdict.docs { lines.append("   see \(docs), or `swiftlet help reasons \(verdict.code)`") }
        return lines.joined(separator: "\n")
    }

    /// `→  what is the matter: what to do`.
    package var lastLine: String { "→  \(lastWords)" }

    private var lastWords: String {
        if verdict.remedy.isEmpty { return verdict.text }
        return "\(verdict.text)\(verdict.text.contains(": ") ? ";" : ":") \(verdict.remedy)"
    }
}

extension Explanation {
    /// One answer for several ports of a Service: what is wrong with each, or where each leads.
    init(joining answers: [(port: String, answer: Explanation)]) {
        self = answers[0].answer
        if answers.count == 1 { return }
        let failing = answers.filter { !$0.answer.works }
        works = failing.isEmpty
        var shown: Set<Step> = []
        steps = answers.flatMap(\.answer.steps).filter { shown.insert($0).inserted }
        for unseen in answers.flatMap(\.answer.unseen) where !self.unseen.contains(unseen) {
            self.unseen.append(unseen)
        }
        let told = failing.isEmpty ? answers : failing
        verdict = told[0].answer.verdict
        let isOne = told.count == answers.count && Set(told.map(\.answer.lastWords)).count == 1
        if isOne { return }
        // The last one keeps its remedy apart.
        let last = told[told.count - 1].answer.verdict
        let texts = told.dropLast().map { "port \($0.port): \($0.answer.lastWords); " }
        verdict.text = texts.joined() + "port \(told[told.count - 1].port): \(last.text)"
        verdict.remedy = last.remedy
    }
}

extension Explanation.Endpoint {
    /// `10.244.0.11:8080`, an IPv6 address in brackets.
    package var socket: String {
        let host = address.contains(":") ? "[\(address)]" : address
        return port.map { "\(host):\($0)" } ?? host
    }

    /// One aligned line each, the name of a slice only where it changes.
    package static func rows(_ endpoints: [Self]) -> [String] {
        var slice = ""
        let cells = endpoints.map { endpoint -> [String] in
            defer { slice = endpoint.slice }
            let place = [endpoint.node, endpoint.zone.map { "zone \($0)" }].compactMap(\.self).joined(separator: ", ")
            return [
                endpoint.slice == slice ? "" : "slice \(endpoint.slice)", endpoint.socket, endpoint.pod ?? "-", place,
                endpoint.condition, endpoint.outcome,
            ]
        }
        return Table.aligned(cells, gap: 2)
    }
}
