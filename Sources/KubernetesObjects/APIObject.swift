package import ServiceModel

/// An object as the API server sent it.
package struct APIObject: Sendable {
    package var key: ObjectKey
    package var resourceVersion: String
    /// Without the elements that cannot be used; nil when the object cannot be used at all, see `problems`, or when its kind is none of the model's.
    package var event: ClusterEvent?
    package var problems: [StateProblem]

    package init(key: ObjectKey, resourceVersion: String, event: ClusterEvent?, problems: [StateProblem] = []) {
        self.key = key
        self.resourceVersion = resourceVersion
        self.event = event
        self.problems = problems
    }
}

/// One page of a list.
package struct APIListPage: Sendable {
    /// Of its objects, even if there is none; nil if it was not read.
    package var kind: ObjectKind?
    package var objects: [APIObject]
    /// Where a watch continues this list.
    package var resourceVersion: String
    /// Asks for the next page; nil on the last one.
    package var continuation: String?

    package init(objects: [APIObject] = [], resourceVersion: String = "", continuation: String? = nil) {
        self.objects = objects
        self.resourceVersion = resourceVersion
        self.continuation = continuation
    }
}

/// One line of a watch.
package enum APIWatchEvent: Sendable {
    /// ADDED or MODIFIED.
    case put(APIObject)
    case deleted(ObjectKey, resourceVersion: String)
    case bookmark(resourceVersion: String, endsInitialEvents: Bool)
    /// ERROR, which the API server sends inside a stream that began well (410 included).
    case failure(APIStatus)
}

/// What the API server says when it refuses.
package struct APIStatus: Error, Sendable, Hashable, CustomStringConvertible {
    package var code: Int
    /// A word for programs: `Expired`; may be empty.
    package var reason: String
    package var message: String
    package var retryAfterSeconds: Int?
    /// It did not come as a `Status`: a proxy in front of the API server said it.
    package var isForeign = false

    package init(code: Int, reason: String = "", message: String = "", retryAfterSeconds: Int? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.retryAfterSeconds = retryAfterSeconds
    }

    package var description: String {
        let head = reason.isEmpty ? "status \(code)" : "\(code) \(reason)"
        return message.isEmpty || message == reason ? head : "\(head): \(message)"
    }
}
