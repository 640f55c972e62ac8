import ServiceMaps

/// What a batch cost and did.
struct IngestSummary: Sendable {
    var services = 0
    var writes = 0
    var compile = Duration.zero
    var apply = Duration.zero
    var failures: [ApplyReport.Failure] = []
}
