import BPFLoader
import DatapathInstall
import FoundationEssentials
import ServiceMaps

extension StatusPage {
    /// With more service ports than this the maps are not read for the page, which names Services with trouble only.
    private static let mostPorts = 2_000

    /// - Parameters:
    ///   - reports: what the daemon knows of each Service.
    ///   - pins: nil when nothing is programmed.
    static func read(
        _ report: DaemonReport, _ reports: [ServiceReport], _ pins: DatapathPins?, _ history: ActivityHistory
    ) -> StatusPage {
        let isSmall = report.desired.servicePorts <= mostPorts
        let programmed = isSmall ? pins.flatMap { try? ProgrammedState.read(from: BPFMapStore(pins: $0)) } : nil
        var listing = ServiceListing(programmed: programmed ?? ProgrammedState(), reports: reports)
        let count = listing.services.count
        if !isSmall { listing.services.removeAll { $0.tone != .broken } }
        let counters = pins.flatMap { try? MapInspection.counters(of: $0) } ?? [:]
        return StatusPage(
            report: report, listing: listing, omittedServices: count - listing.services.count, counters: counters,
            history: history.all, now: Date())
    }
}

extension ActivityService {
    /// - Parameter pins: nil when nothing is programmed, and so nothing is counted.
    init(_ history: ActivityHistory, pins: DatapathPins?) {
        self.init(history: history) {
            pins.flatMap { try? MapInspection.counters(of: $0) }.map { .init(time: KernelClock.now, counters: $0) }
        }
    }
}
