package import BPFLoader
package import CDatapath

extension datapath_config {
    /// Lets programs tell the time by ticks; without them they ask the kernel each time.
    package mutating func setTicks(_ clock: TickClock?) {
        tick = clock?.length ?? 0
        first_tick = clock?.start ?? 0
    }
}
