import ServiceModel

/// Why a command ends without its result: what happened, and what to do.
struct CommandError: Error, CustomStringConvertible {
    var failure: FailureCode
    var description: String

    init(_ failure: FailureCode, _ description: String) {
        self.failure = failure
        self.description = description
    }
}
