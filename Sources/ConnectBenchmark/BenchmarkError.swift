/// Why a benchmark could not be made or finished.
package struct BenchmarkError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    /// SIGINT or SIGTERM came; everything that was made has been removed.
    package static let interrupted = BenchmarkError("interrupted")
}
