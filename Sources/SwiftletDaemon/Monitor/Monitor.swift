import BPFLoader
package import DatapathInstall
import Glibc
import ServiceMaps
package import ServiceModel
import Settings
import SystemPackage

/// What `swiftlet monitor` shows.
package struct EventFilter: Sendable {
    /// One Service.
    package var service: ObjectName?
    package var refusedOnly = false
    package var pid: Int32?
    /// Calls of this pod's processes, and packets of their sockets.
    package var pod: ObjectName?

    package init() {}

    /// What an event itself tells.
    func passes(_ event: DatapathEvent) -> Bool {
        if refusedOnly && !event.isRefusal { return false }
        return pid == nil || event.caller?.pid == pid
    }

    /// What its names tell.
    func passes(pod: ObjectName?, service: ObjectName?) -> Bool {
        (self.pod == nil || pod == self.pod) && (self.service == nil || service == self.service)
    }
}

/// Listens to the datapath, and gives what passes the filter with its names.
package struct Monitor: ~Copyable {
    private let filter: EventFilter
    private let boot: UnixTime
    private var listener: EventListener
    private var names: EventNames
    private var pods: PodCgroups

    /// - Parameter podLogs: the directory in which kubelet keeps pods' logs, and names pods by that.
    package init(pins: DatapathPins, filter: EventFilter, podLogs: String) throws {
        pods = PodCgroups(logs: podLogs, cgroups: (try? CgroupFileSystem.root())?.string ?? "")
        if let pod = filter.pod, !pods.canTellPods {
            throw ConfigurationError(
                "cannot tell the processes of pod \(pod): \(podLogs), where kubelet names pods, or the cgroup2 hierarchy "
                    + "cannot be read; mount it, say where kubelet keeps logs with --pod-logs-dir, or use --pid")
        }
        listener = try EventListener(withCgroup: pods.canTellPods) { map throws(BPFError) in
            try BPFMap(pinnedAt: pins.map(map.rawValue))
        }
        names = EventNames(pins: pins)
        self.filter = filter
        boot = Self.boot
    }

    /// Takes what has come since the last time; call it every 20 ms.
    ///
    /// - Returns: the events that pass, oldest first, and how many there was no room for.
    package mutating func take() throws -> (records: [EventRecord], lost: UInt64) {
        let (events, lost) = try listener.take()
        var records: [EventRecord] = []
        for event in events {
            guard filter.passes(event) else { continue }
            let pod = event.cgroup.flatMap { pods.pod(of: $0) }
            let service = try names.service(of: event)
            guard filter.passes(pod: pod, service: service) else { continue }
            records.append(
                EventRecord(
                    event, boot: boot, service: service, port: try names.port(of: event), pod: pod,
                    deviceName: names.device(of: event)))
        }
        return (records, lost)
    }

    private static var boot: UnixTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        let since = KernelClock.now.components
        return UnixTime(nanoseconds: now - since.seconds * 1_000_000_000 - since.attoseconds / 1_000_000_000)
    }
}
