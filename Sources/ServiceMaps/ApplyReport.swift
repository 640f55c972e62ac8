package import ServiceModel

/// What became of an apply or a reclaim.
package struct ApplyReport: Sendable {
    /// One failed operation of a service port; what depended on it has not been done either.
    package struct Failure: Sendable, Hashable, CustomStringConvertible {
        /// Nil where entries of an unknown origin could not be removed.
        package var port: ServicePortName?
        /// What could not be written or removed; nil when there was no room to begin with.
        package var operation: MapOperation?
        package var error: MapError

        package var map: ServiceMap { error.map }

        /// The same with other advice.
        package func advising(_ advice: String) -> Failure {
            var failure = self
            failure.error.advice = advice
            return failure
        }

        package var description: String {
            "\(port.map(\.description) ?? "entries of no service port"): \(error)"
        }
    }

    /// Entries written and entries removed.
    package internal(set) var written = 0
    package internal(set) var deleted = 0
    package internal(set) var failures: [Failure] = []
    /// Some service ports are not yet as they should be.
    package internal(set) var isPending = false
    /// Frontends that lead somewhere now and did not before.
    package internal(set) var awakened: [AwakenedFrontend] = []
    /// Of a reclaim: the backends that are gone for good.
    package internal(set) var removedBackends: [RemovedBackend] = []
}
