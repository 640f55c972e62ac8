/// What goes wrong with one answer.
package enum Fault: Sendable {
    /// A `Status` in place of the answer.
    case status(Int, reason: String, message: String = "", retryAfter: Int? = nil)
    /// Something that is none of the API's.
    case body(Int, String)
    /// The connection is closed before there is an answer.
    case close
    /// Nothing is ever answered.
    case stall
    /// The head of an answer and the beginning of its body, and then nothing.
    case stalledBody(Int)
    /// The answer comes a byte at a time, with a pause after each.
    case drips(Duration)
    /// The answer comes in pieces of these sizes, again and again.
    case pieces([Int])
    /// A watch sends nothing before so many events are there, and then all of them in one piece.
    case merged(Int)
    /// A watch breaks after so many events.
    case breaks(after: Int, WatchEnd)
    /// A list in the opposite order of its items.
    case reversed
    /// A list, or its next page, that says to ask for another page, where the same objects come again.
    case endless
}

/// How a watch breaks.
package enum WatchEnd: Sendable {
    case error(Int, reason: String, message: String = "")
    /// A line that is no JSON, and then nothing.
    case garbage(String)
    case stall
    /// The connection is closed, the answer not ended.
    case close
    /// Half of the next event, and then the connection is closed.
    case half
    /// The answer ends in good order.
    case end
}

/// Which requests a fault is for.
package struct RequestPattern: Sendable, Hashable {
    package enum Verb: String, Sendable {
        case list, watch, create
        /// A list that goes on after its first page.
        case page
    }

    package var verb: Verb
    package var resource: String

    package init(_ verb: Verb, _ resource: String) {
        self.verb = verb
        self.resource = resource
    }
}
