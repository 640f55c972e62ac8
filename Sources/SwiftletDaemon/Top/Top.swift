import BPFLoader
package import DatapathInstall
import ServiceMaps
package import Settings

/// Looks at the counters again and again. It arms nothing and writes nothing.
package struct Top {
    private let pins: DatapathPins
    private let timeouts: FlowTimeouts
    private var before: ServiceActivity
    private var readAt: Duration

    /// Takes the first look.
    ///
    /// - Parameter timeouts: after which flows at tc are over.
    package init(pins: DatapathPins, timeouts: FlowTimeouts) throws {
        self.pins = pins
        self.timeouts = timeouts
        before = try ServiceActivity.read(from: BPFMapStore(pins: pins))
        readAt = KernelClock.now
    }

    /// The rates since the last look.
    package mutating func look() throws -> TopReport {
        let activity = try ServiceActivity.read(from: BPFMapStore(pins: pins))
        let now = KernelClock.now
        defer { (before, readAt) = (activity, now) }
        let open = try OpenConnections.read(pins: pins, timeouts: timeouts)
        return TopReport(from: before, to: activity, over: now - readAt, open: open)
    }
}
