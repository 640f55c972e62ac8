/// Why packets could not be measured.
package struct PacketBenchmarkError: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    /// SIGINT or SIGTERM came; everything that was made has been removed.
    static let interrupted = PacketBenchmarkError("interrupted")
}
