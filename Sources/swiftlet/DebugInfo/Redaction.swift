/// Takes out of a text what looks like a secret. None of the files that hold secrets is read to begin with: this is for what
/// a command line, a log line or a tool repeats of them.
enum Redaction {
    static let mark = "[removed]"

    static func redacted(_ text: String) -> String {
        var text = text
        if text.contains("PRIVATE KEY-----") {
            text.replace(
                #/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/#, with: mark)
        }
        // Line by line, so that a pattern never runs over megabytes.
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            isSuspect(line) ? redacted(line: String(line)) : String(line)
        }.joined(separator: "\n")
    }

    /// Words without which no pattern fits: most lines have none of them, and patterns are slow.
    private static func isSuspect(_ line: Substring) -> Bool {
        let line = line.lowercased()
        return ["token", "passw", "secret", "key", "auth", "bearer", "eyj", "ls0tls1", "@"].contains {
            line.contains($0)
        }
    }

    private static func redacted(line: String) -> String {
        var line = line
        // A JSON Web Token, as service accounts have.
        line.replace(#/eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*/#, with: mark)
        line.replace(#/(?i)\b(bearer|basic)[ ]+[^\s"',]+/#) { "\($0.1) \(mark)" }
        line.replace(#/(?i)(--[a-z\-]*(?:token|password|secret))\s+\S+/#) { "\($0.1) \(mark)" }
        // PEM in base64, as kubeconfigs have.
        line.replace(#/LS0tLS1[A-Za-z0-9+\/=]{8,}/#, with: mark)
        line.replace(#/:\/\/[^\/\s@:"]+:[^\/\s@"]+@/#, with: "://\(mark)@")
        line.replace(
            #/(?i)((?:[a-z]+[-_])?(?:token|password|passwd|secret|client-key-data|client-certificate-data|api[-_]?key|authorization)["']?\s*[:=]\s*["']?)([^\s"',\[]+)/#
        ) { match in "\(match.1)\(mark)" }
        return line
    }
}
