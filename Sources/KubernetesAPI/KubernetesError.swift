package import KubernetesObjects

/// What went wrong with the Kubernetes API: what happened, to what, and what to do.
package struct KubernetesError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// A setting that cannot be used; it does not get better by itself.
        case configuration
        /// No token or certificate could be had, for now.
        case credentials
        /// No answer: no connection, no TLS, or the connection broke before the answer began.
        case unreachable
        /// The answer, or a watch, ended or broke in the middle.
        case interrupted
        /// Not one byte for longer than there can be nothing to say.
        case silent
        /// The API server refused.
        case status(APIStatus)
        /// An error inside a watch that had begun well.
        case streamStatus(APIStatus)
        /// The API server's history is not the one that we know.
        case otherHistory
        /// Bytes that are no answer of the API.
        case malformed
        case cancelled
    }

    package var kind: Kind
    /// What was tried: `list services`.
    package var action: String
    /// A URL, a file or a command.
    package var subject: String
    package var cause: String
    package var advice: String

    init(_ kind: Kind, _ action: String, _ subject: String, cause: String, advice: String) {
        self.kind = kind
        self.action = action.oneLine()
        self.subject = subject.oneLine()
        self.cause = cause.oneLine()
        self.advice = advice.oneLine()
    }

    static func configuration(_ subject: String, _ cause: String, _ advice: String) -> KubernetesError {
        KubernetesError(.configuration, "use", subject, cause: cause, advice: advice)
    }

    static func cancelled(_ action: String, _ subject: String) -> KubernetesError {
        KubernetesError(.cancelled, action, subject, cause: "it was cancelled", advice: "try again")
    }

    package var description: String { "cannot \(action) \(trouble)" }

    /// Where it happened, what, and what to do.
    var trouble: String { "\(subject): \(cause); \(advice)" }

    /// The answer that refused, whether it came at the beginning or inside a watch.
    var status: APIStatus? {
        switch kind {
        case .status(let status), .streamStatus(let status): status
        default: nil
        }
    }
}
