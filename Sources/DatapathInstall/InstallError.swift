package import ServiceModel

/// What could not be put into the kernel, or taken out of it: what happened, to which pin, link or lock, and what to do.
package struct InstallError: Error, CustomStringConvertible, Sendable {
    package var failure: FailureCode
    package var description: String

    package init(_ failure: FailureCode, _ description: String) {
        self.failure = failure
        self.description = description
    }
}
