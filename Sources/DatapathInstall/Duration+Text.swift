extension Duration {
    /// `16ms`: rounded, in the largest of s, ms and µs that fits; for log lines.
    package var roundedText: String {
        let units: [(String, Duration)] = [("s", .seconds(1)), ("ms", .milliseconds(1))]
        let (unit, size) = units.first { self >= $0.1 } ?? ("µs", .microseconds(1))
        return "\(Int((self / size).rounded()))\(unit)"
    }
}
