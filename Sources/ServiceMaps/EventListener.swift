package import BPFLoader
internal import CDatapath
internal import SystemPackage

/// Listens to the datapath's events, alone: the programs tell of them while this lives, and for `grace` after it was killed.
package struct EventListener: ~Copyable {
    /// Opens a pinned map, as it is now.
    package typealias Open = (ServiceMap) throws(BPFError) -> BPFMap

    /// How long events are wanted after the last time that was said.
    private static let grace = Duration.seconds(3)
    /// How often it is said, and looked whether the maps are still those that programs use.
    private static let pause = Duration.milliseconds(250)

    private let open: Open
    private let owner: UInt64
    private let withCgroup: Bool
    private var arm: BPFMap
    private var ring: RingBuffer<event>
    private var renewed: Duration
    private var lostBefore: UInt64
    /// Older events in the ring are not this listener's; programs may tell the time of the tick before the last.
    private let start = KernelClock.lastTick - .milliseconds(10)

    /// - Parameter withCgroup: whether events tell the cgroup, which costs each some time.
    /// - Throws: `EventListenerError.taken` while another one listens.
    package init(withCgroup: Bool = false, open: @escaping Open) throws {
        let arm = try open(.listeners)
        let found = try arm.lookup(UInt32(0), as: listener.self) ?? listener()
        guard found.until < KernelClock.now.wholeNanoseconds else { throw EventListenerError.taken }
        let ring = try RingBuffer(open(.events), of: event.self)
        let owner = UInt64.random(in: 1...UInt64.max)
        let renewed = try Self.say(owner, withCgroup, arm)
        self.ring = ring
        self.owner = owner
        self.withCgroup = withCgroup
        self.renewed = renewed
        lostBefore = found.lost
        self.arm = arm
        self.open = open
    }

    deinit { Self.disarm(arm, owner) }

    /// Takes what has come; call it more often than every 50 ms, for a ring of 2,000 events.
    ///
    /// - Returns: the events, oldest first, and how many others there was no room for.
    package mutating func take() throws -> (events: [DatapathEvent], lost: UInt64) {
        if KernelClock.now - renewed > Self.pause { try renew() }
        let events = try ring.take(atMost: 4_096).compactMap { DatapathEvent($0) }.filter { $0.time >= start }
        let lost = try arm.lookup(UInt32(0), as: listener.self)?.lost ?? lostBefore
        defer { lostBefore = lost }
        return (events, lost &- lostBefore)
    }

    /// Says that events are wanted; after a change of the maps to the new ones.
    private mutating func renew() throws {
        let now = try open(.listeners)
        if now.id != arm.id {
            arm = now
            ring = try RingBuffer(open(.events))
            lostBefore = try arm.lookup(UInt32(0), as: listener.self)?.lost ?? 0
        } else if let found = try arm.lookup(UInt32(0), as: listener.self), found.owner != owner, found.until != 0 {
            throw EventListenerError.taken
        }
        renewed = try Self.say(owner, withCgroup, arm)
    }

    /// - Returns: when it was said.
    private static func say(_ owner: UInt64, _ withCgroup: Bool, _ arm: borrowing BPFMap) throws -> Duration {
        let now = KernelClock.now
        let lost = try arm.lookup(UInt32(0), as: listener.self)?.lost ?? 0
        let value = listener(
            until: (now + grace).wholeNanoseconds, owner: owner, lost: lost, with_cgroup: withCgroup ? 1 : 0, pad: 0)
        try arm.update(UInt32(0), to: value)
        return now
    }

    private static func disarm(_ arm: borrowing BPFMap, _ owner: UInt64) {
        guard let found = try? arm.lookup(UInt32(0), as: listener.self), found.owner == owner else { return }
        try? arm.update(UInt32(0), to: listener(until: 0, owner: 0, lost: found.lost, with_cgroup: 0, pad: 0))
    }
}

package enum EventListenerError: Error, CustomStringConvertible {
    case taken

    package var description: String {
        "cannot listen to events: another `swiftlet monitor` does, and there is room for one; end it first"
    }
}
