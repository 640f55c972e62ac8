/// What a Service was, when: the judge of every answer.
///
/// A version holds from the moment at which its manifest is written, because the daemon may have read it then, until a
/// later one was seen in the maps, whole: a daemon that dies between its frontends and the last backend that goes leaves
/// clients that remember that backend with the old version. Between these two moments a connect may meet the old version or the new one; after
/// them only the new one.
struct ServiceHistory {
    enum State: Hashable {
        /// There is no such Service.
        case absent
        /// These pods are its endpoints; with none, connects are refused (spec 27).
        case serving(Set<Int>)
    }

    struct Version {
        let state: State
        let since: UInt64
        /// From this moment on a connect that begins does not meet it.
        var until = UInt64.max
        /// From this moment on the maps have no backend that only it had: a UDP flow that packets make stays as long.
        var forgottenAt = UInt64.max
    }

    private(set) var versions: [Version]

    init(_ state: State, at time: UInt64) { versions = [Version(state: state, since: time)] }

    /// The version that the maps will come to hold.
    var newest: Version { versions[versions.count - 1] }

    /// Nothing but the newest version holds.
    var isSettled: Bool { versions.dropLast().allSatisfy { $0.until != .max } }

    /// And nothing is left of the others.
    var isForgotten: Bool { versions.dropLast().allSatisfy { $0.forgottenAt != .max } }

    /// How many versions may still be met.
    var open: Int { versions.count { $0.forgottenAt == .max } }

    /// A manifest is about to say this. It must differ from all that may still be met.
    mutating func want(_ state: State, at time: UInt64) { versions.append(Version(state: state, since: time)) }

    /// Whether this state would be told from all that may still be met.
    func canTell(_ state: State) -> Bool { versions.allSatisfy { $0.forgottenAt != .max || $0.state != state } }

    /// The maps were seen to hold this at all frontends, before `time`.
    ///
    /// - Parameter isClean: and no backend besides.
    mutating func saw(_ state: State, isClean: Bool, at time: UInt64) {
        let isKept = { (version: Version) in (isClean ? version.forgottenAt : version.until) == .max }
        guard let seen = versions.firstIndex(where: { isKept($0) && $0.state == state }) else { return }
        for index in versions[..<seen].indices {
            versions[index].until = min(versions[index].until, time)
            if isClean { versions[index].forgottenAt = min(versions[index].forgottenAt, time) }
        }
    }

    /// Forgets what no call that began after this moment can have met.
    mutating func forget(before time: UInt64) { versions.removeAll { $0.forgottenAt < time } }

    /// What a call may have met that began and ended between these moments.
    ///
    /// - Parameter remembered: for a flow that has met a version before.
    func states(from start: UInt64, to end: UInt64, remembered: Bool = false) -> [State] {
        versions.filter { $0.since <= end && (remembered ? $0.forgottenAt : $0.until) >= start }.map(\.state)
    }
}
