import ServiceMaps

/// What a batch cost and did.
struct IngestSummary: Sendable {
    /// Whose result is another than before.
    var services = 0
    /// All that are known.
    var allServices = 0
    var writes = 0
    var compile = Duration.zero
    var apply = Duration.zero
    var failures: [ApplyReport.Failure] = []
}
