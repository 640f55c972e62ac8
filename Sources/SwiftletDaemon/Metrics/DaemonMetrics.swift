import Observability
import ServiceMaps
import ServiceModel

/// The metrics of the daemon: a snapshot to families, kube-proxy's names where their meaning fits (spec 48).
enum DaemonMetrics {
    /// Service ports that have series of their own, unless told otherwise.
    static let usualServiceLimit = 1_000

    /// - Parameters:
    ///   - perBackend: adds series for each backend of the service ports that have series of their own.
    ///   - serviceLimit: service ports beyond it have none, which bounds the number of series.
    static func families(
        of snapshot: MetricsSnapshot, perBackend: Bool = false, serviceLimit: Int = usualServiceLimit
    ) -> [MetricFamily] {
        kubeProxyFamilies(of: snapshot) + services(snapshot.kernel, perBackend, serviceLimit)
            + datapath(snapshot.kernel) + hooks(snapshot.hooks) + sync(snapshot) + sources(snapshot.sync)
            + cluster(snapshot) + wanted(snapshot)
            + sockets(snapshot.wanted.sockets) + names(snapshot.wanted.names) + process(snapshot)
    }

    private typealias Label = MetricFamily.Label
    private typealias Sample = MetricFamily.Sample

    // MARK: Services

    private static func services(
        _ kernel: MetricsSnapshot.Kernel?, _ perBackend: Bool, _ limit: Int
    ) -> [MetricFamily] {
        guard let kernel else { return [] }
        let uses = kernel.uses.prefix(limit)
        return [
            MetricFamily(
                .counter, "swiftlet_service_connects_total",
                "Connects, and UDP sends to a backend that the socket did not have, that were forwarded.",
                uses.map { Sample(labels($0.name), .count($0.counter.forwarded)) }),
            MetricFamily(
                .counter, "swiftlet_service_refusals_total",
                "Connects and sends to the service port that were refused, by reason.", uses.flatMap(refusalSamples)),
            MetricFamily(
                .counter, "swiftlet_backend_connects_total",
                "Connects, and UDP sends to a backend that the socket did not have, by backend.",
                perBackend ? uses.flatMap(backendSamples) : []),
            gauge(
                "swiftlet_service_ports_omitted", "Service ports without series of their own, to bound their number.",
                kernel.servicePorts - uses.count),
        ]
    }

    /// Reasons that have come up only: most service ports have none, and so no series.
    private static func refusalSamples(_ use: ServiceUse) -> [Sample] {
        RefusalReason.allCases.compactMap { reason in
            use.counter.refusals[reason].map {
                Sample(labels(use.name) + [Label("reason", reason.rawValue)], .count($0))
            }
        }
    }

    private static func backendSamples(_ use: ServiceUse) -> [Sample] {
        use.backends.map { backend in
            let address = backend.address.family == .v4 ? "\(backend.address)" : "[\(backend.address)]"
            return Sample(
                labels(use.name) + [Label("backend", "\(address):\(backend.port)")], .count(backend.forwarded))
        }
    }

    private static func labels(_ name: ServicePortName) -> [Label] {
        [
            Label("namespace", name.service.namespace), Label("name", name.service.name), Label("port", name.port),
            Label("protocol", "\(name.proto)"), Label("ip_family", HealthFamily(name.family).rawValue),
        ]
    }

    // MARK: Datapath

    private static func datapath(_ kernel: MetricsSnapshot.Kernel?) -> [MetricFamily] {
        guard let kernel else { return [] }
        // What these maps hold is not a number of entries.
        let uncounted: Set<String> = Set(
            [ServiceMap.counters, .serviceCounters, .socketSpill, .socketFlows, .listeners, .events].map(\.rawValue))
        let counted = kernel.maps.filter { !uncounted.contains($0.name) }
        return [
            MetricFamily(
                .counter, "swiftlet_datapath_verdicts_total", "What the datapath decided, by reason.",
                kernel.counters.sorted { $0.key < $1.key }.map { Sample([Label("reason", $0.key)], .count($0.value)) }),
            MetricFamily(
                .gauge, "swiftlet_map_entries", "Entries in a map of the datapath.",
                counted.map { Sample([Label("map", $0.name)], .number(Double($0.entries))) }),
            MetricFamily(
                .gauge, "swiftlet_map_capacity_entries", "Entries that a map of the datapath has room for.",
                counted.map { Sample([Label("map", $0.name)], .number(Double($0.capacity))) }),
            MetricFamily(
                .gauge, "swiftlet_map_memory_bytes", "Kernel memory of a map of the datapath.",
                kernel.maps.map { Sample([Label("map", $0.name)], .number(Double($0.memory))) }),
        ]
    }

    // MARK: Control plane

    private static func sync(_ snapshot: MetricsSnapshot) -> [MetricFamily] {
        let sync = snapshot.sync
        return [
            MetricFamily(
                .histogram, "swiftlet_sync_phase_duration_seconds",
                "Duration of each phase on the way from an event to the maps.",
                SyncStatistics.Phase.allCases.compactMap { phase in
                    sync.phases[phase].map { Sample([Label("phase", phase.rawValue)], .histogram($0)) }
                }),
            MetricFamily(
                .histogram, "swiftlet_sync_written_entries",
                "Map entries written and removed by a sync that changed something.",
                [Sample([], .histogram(sync.writes))]),
            MetricFamily(
                .counter, "swiftlet_map_sync_failures_total", "Writes to a map that failed, by cause.",
                sync.failures.sorted { ($0.key.map.rawValue, $0.key.errno) < ($1.key.map.rawValue, $1.key.errno) }
                    .map { failure, count in
                        let labels = [Label("map", failure.map.rawValue), Label("errno", failure.errno)]
                        return Sample(labels, .count(count))
                    }),
            MetricFamily(
                .counter, "swiftlet_node_changes_total", "Changes of Node objects that were seen.",
                [Sample([], .count(sync.nodes.seen))]),
            gauge(
                "swiftlet_service_ports_pending", "Service ports that are not in the maps as they should be.",
                snapshot.wanted.pendingPorts),
        ]
    }

    private static func sources(_ sync: SyncStatistics) -> [MetricFamily] {
        let sources = sync.sources.sorted { $0.key < $1.key }
        func counter(
            _ name: String, _ help: String, _ value: (SourceCounts) -> MetricFamily.Value
        ) -> MetricFamily {
            MetricFamily(
                .counter, name, help, sources.map { Sample([Label("resource", $0.key)], value($0.value)) })
        }
        return [
            counter("swiftlet_watch_lists_total", "Complete lists that were read.") { .count($0.lists) },
            counter("swiftlet_watch_restarts_total", "Watches that broke off and were begun anew.") {
                .count($0.restarts)
            },
            counter("swiftlet_watch_events_total", "Changes that watches brought.") { .count($0.events) },
            counter("swiftlet_watch_decode_seconds_total", "Time spent on decoding objects.") {
                .number($0.decoding / .seconds(1))
            },
        ]
    }

    private static func wanted(_ snapshot: MetricsSnapshot) -> [MetricFamily] {
        let totals = snapshot.wanted.totals
        let objects = [
            ("services", totals.services), ("service_ports", totals.servicePorts), ("frontends", totals.frontends),
            ("backends", totals.backends),
        ]
        return [
            MetricFamily(
                .gauge, "swiftlet_desired_objects", "What the Services of the cluster ask of this node, by kind.",
                objects.map { Sample([Label("kind", $0.0)], .number(Double($0.1))) }),
            MetricFamily(
                .gauge, "swiftlet_services_without_backends",
                "Services with a port that has no backend, by the reason's code.",
                snapshot.wanted.emptyServices.counts.sorted { $0.key.rawValue < $1.key.rawValue }
                    .map { Sample([Label("reason", $0.key.rawValue)], .number(Double($0.value))) }),
            gauge("swiftlet_frontend_conflicts", "Frontends that two Services claim.", snapshot.wanted.conflicts),
            gauge(
                "swiftlet_refused_objects", "Manifests and objects that were refused.", snapshot.wanted.refusedObjects),
            gauge("swiftlet_listen_problems", "Addresses that cannot be listened on.", snapshot.listenProblems),
        ]
    }

    private static func process(_ snapshot: MetricsSnapshot) -> [MetricFamily] {
        let build = [Label("version", snapshot.version), Label("map_abi", "\(snapshot.mapABI)")]
        var families = [
            MetricFamily(.gauge, "swiftlet_build_info", "What this build is; always 1.", [Sample(build, .number(1))])
        ]
        guard let process = snapshot.process else { return families }
        families += [
            MetricFamily(
                .counter, "process_cpu_seconds_total", "User and system time of the process.",
                [Sample([], .number(process.cpuSeconds))]),
            gauge("process_resident_memory_bytes", "Resident memory of the process.", Int(process.residentBytes)),
            gauge("process_open_fds", "Open file descriptors of the process.", process.openDescriptors),
            MetricFamily(
                .gauge, "process_start_time_seconds", "When the process started, in seconds since 1970.",
                [Sample([], .number(process.startSeconds))]),
        ]
        return families
    }

    private static func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
        MetricFamily(.gauge, name, help, [Sample([], .number(Double(value)))])
    }
}
