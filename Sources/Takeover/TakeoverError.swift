/// What went wrong: the action, the object, the cause, and what to do.
package struct TakeoverError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    init(_ action: String, _ subject: String, cause: String, advice: String? = nil) {
        description = "cannot \(action) \(subject): \(cause)" + (advice.map { "; \($0)" } ?? "")
    }
}
