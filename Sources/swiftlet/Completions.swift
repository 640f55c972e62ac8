import ArgumentParser

// What a shell offers for a value.
extension CompletionKind {
    static let truth = CompletionKind.list(["true", "false"])

    /// The Services that the daemon knows, or those in the maps; none for a user that may not ask.
    static let services = CompletionKind.shellCommand("swiftlet services -A -o name 2>/dev/null")

    static func values<Value: CaseIterable & RawRepresentable<String>>(of type: Value.Type) -> CompletionKind {
        .list(type.allCases.map(\.rawValue))
    }
}
