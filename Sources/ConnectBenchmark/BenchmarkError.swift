/// Why a benchmark could not be made or finished.
public struct BenchmarkError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    /// SIGINT or SIGTERM came; everything that was made has been removed.
    public static let interrupted = BenchmarkError("interrupted")
}
