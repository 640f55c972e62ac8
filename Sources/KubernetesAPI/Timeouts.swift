/// How long to wait for what.
package struct Timeouts: Sendable, Hashable {
    /// TCP and TLS.
    package var connect = Duration.seconds(10)
    /// For the head of an answer, and then between two pieces of it.
    package var answer = Duration.seconds(60)
    /// A watch is asked to end after a time between this and twice this, so that the watches of many nodes spread over
    /// the API servers again.
    package var watch = Duration.seconds(300)
    /// For how much longer than it was to last a watch may be silent. Bookmarks come about once a minute, but nobody
    /// promises them.
    package var watchGrace = Duration.seconds(15)
    /// For the own Node object, before services are programmed without it (spec 11).
    package var node = Duration.seconds(30)
    /// After 403 and 404, which a person has to mend.
    package var refusal = Duration.seconds(30)

    package init() {}
}
