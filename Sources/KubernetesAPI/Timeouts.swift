/// How long to wait for what.
package struct Timeouts: Sendable, Hashable {
    /// TCP and TLS.
    package var connect = Duration.seconds(10)
    /// For the head of an answer.
    package var answer = Duration.seconds(60)
    /// The same where another API server may be asked: this one is not waited for any longer.
    package var answerBesideOthers = Duration.seconds(10)
    /// For each 4 KiB of a list, and of an event of a watch.
    package var portion = Duration.seconds(10)
    /// For a whole list, all of its pages.
    package var list = Duration.seconds(300)
    /// For the whole body of a refusal, without which its head says enough.
    package var refusalBody = Duration.seconds(5)
    /// A watch is asked to end after a time between this and twice this, so that the watches of many nodes spread over
    /// the API servers again.
    package var watch = Duration.seconds(300)
    /// For how much longer than it was to last a watch may be silent.
    package var watchGrace = Duration.seconds(15)
    /// For how long a watch may be silent: bookmarks come once a minute.
    package var bookmarks = Duration.seconds(180)
    /// Over so much time the nodes of a cluster spread an Event that all of them have to write.
    package var eventSpread = Duration.seconds(3)
    /// The longest that an API server may have us wait (`Retry-After`).
    package var retryAfter = Duration.seconds(30)
    /// For the own Node object, before services are programmed without it (spec 11).
    package var node = Duration.seconds(30)
    /// After 403 and 404, which a person has to mend.
    package var refusal = Duration.seconds(30)

    package init() {}
}
