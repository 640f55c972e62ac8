import ServiceModel

/// Something in a source of state that cannot be used as it is written.
///
/// Everything else is applied. Of an object that cannot be used at all the last good version stays in force.
package struct StateProblem: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// A file or directory that cannot be read.
        case unreadable
        /// A document that is no YAML or JSON.
        case unparsable
        /// An object with a field that is missing or wrong, so that it cannot be used.
        case invalid
        /// A part of an object that cannot be used and is left out: an endpoint, an address, a port (spec 58).
        case partial
        /// An object that another file, or an earlier document, defines already.
        case duplicate
        /// What is used as it is written, or passed over, and was probably not meant so.
        case doubtful
        /// A VIP:port or a NodePort that two Services claim; both objects stay, the model decides which is served.
        case conflict
    }

    /// Whether an object is not used, or not all of it may be served: other kinds cost nothing but a part.
    package var isRefusal: Bool { kind != .partial && kind != .doubtful }

    package var kind: Kind
    /// Where it was found: a file, or the URL of the API server.
    package var origin: String
    /// Counted from 1; nil when the whole file is meant, or an object that is in no file.
    package var document: Int?
    /// Kind, namespace and name: `Service default/my-api`; nil when it could not be told.
    package var object: String?
    /// The way to the field: `spec.ports[1].port`.
    package var field: String?
    /// What is wrong, to be read after the field's name: `is 70000`.
    package var cause: String
    package var advice: String
    /// What is not known as it is now, for this problem.
    package var hides = HiddenObjects.none
    /// Names that stand in what cannot be read as far as to know what it defines; nil if none can be made out.
    package var names: [String]?

    package init(
        _ kind: Kind, origin: String, document: Int? = nil, object: String? = nil, field: String? = nil,
        cause: String, advice: String
    ) {
        self.kind = kind
        self.origin = origin
        self.document = document
        self.object = object?.oneLine()
        self.field = field?.oneLine(atMost: 200)
        self.cause = cause.oneLine()
        self.advice = advice.oneLine()
    }

    /// One sentence: what happened, to which object, what to do.
    package var description: String { "\(statement); \(advice)" }

    /// Why what was there before stays: `web.yaml cannot be parsed`.
    package var shortStatement: String {
        let origin = origin.oneLine()
        let subject = kind == .invalid ? object.map { "\($0) in \(origin)" } ?? origin : origin
        return switch kind {
        case .unreadable: "\(subject) cannot be read"
        case .unparsable: "\(subject) cannot be parsed"
        case .invalid, .partial, .duplicate, .doubtful, .conflict: "\(subject) cannot be used"
        }
    }

    /// What happened, to which object.
    package var statement: String {
        let origin = origin.oneLine()
        let place = document.map { "\(origin) (document \($0))" } ?? origin
        let subject = object.map { "\($0) in \(place)" } ?? place
        let what = field.map { "\($0) \(cause)" } ?? cause
        return switch kind {
        case .unreadable: "cannot read \(subject): \(what)"
        case .unparsable: "cannot parse \(subject): \(what)"
        case .invalid, .duplicate: "cannot use \(subject): \(what)"
        case .partial: "cannot use a part of \(subject), which is left out: \(what)"
        case .doubtful: "look at \(subject): \(what)"
        case .conflict: "cannot give \(subject) all that it claims: \(what)"
        }
    }
}

extension StateProblem {
    /// The same problem, for which something is not known as it is now.
    package func hiding(_ objects: HiddenObjects, naming names: [String]? = nil) -> StateProblem {
        var problem = self
        problem.hides = objects
        problem.names = names
        return problem
    }

    /// What makes two reports the same report: a document added above does not renew a problem.
    package struct Identity: Hashable {
        let kind: Kind
        let origin: String
        let document: Int?
        let object: String?
        let field: String?
        let cause: String
    }

    package var identity: Identity {
        Identity(
            kind: kind, origin: origin, document: object == nil ? document : nil, object: object, field: field,
            cause: cause)
    }
}
