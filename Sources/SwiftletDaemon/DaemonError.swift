package import ServiceModel

/// What the daemon, or a command that asks it or prepares for it, could not do: to which object, and what to do.
package struct DaemonError: Error, CustomStringConvertible, Sendable {
    package var failure: FailureCode
    package var description: String

    package init(_ failure: FailureCode, _ description: String) {
        self.failure = failure
        self.description = description
    }
}
