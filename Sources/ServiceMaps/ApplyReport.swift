public import ServiceModel

/// What became of an apply or a reclaim.
public struct ApplyReport: Sendable {
    /// One failed operation of a service port; what depended on it has not been done either.
    public struct Failure: Sendable, Hashable, CustomStringConvertible {
        /// Nil where entries of an unknown origin could not be removed.
        public var port: ServicePortName?
        /// What could not be written or removed; nil when there was no room to begin with.
        public var operation: MapOperation?
        public var error: MapError

        public var map: ServiceMap { error.map }

        /// The same with other advice.
        public func advising(_ advice: String) -> Failure {
            var failure = self
            failure.error.advice = advice
            return failure
        }

        public var description: String {
            "cannot program \(port.map { "\($0)" } ?? "entries of nobody"): \(error)"
        }
    }

    /// Entries written and entries removed.
    public internal(set) var written = 0
    public internal(set) var deleted = 0
    public internal(set) var failures: [Failure] = []
    /// Some service ports are not yet as they should be.
    public internal(set) var isPending = false
    /// Frontends that lead somewhere now and did not before.
    public internal(set) var awakened: [AwakenedFrontend] = []
    /// Of a reclaim: the backends that are gone for good.
    public internal(set) var removedBackends: [RemovedBackend] = []
}
