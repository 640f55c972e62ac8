import FoundationEssentials

/// What one run of the benchmark found; its JSON form is `json()`.
package struct BenchmarkResult: Codable, Sendable, Equatable {
    /// How many services were programmed; absent when a target was given.
    package var services: Int?
    package var rounds: Int
    package var machine: Machine
    /// Connects straight to a backend.
    package var direct: Latency
    /// Connects to one frontend; absent when there is no datapath to measure.
    package var vip: Latency?
    /// `vip` ÷ `direct`.
    package var ratio: LatencyRatio?
    /// Direct connects measured a second time, ÷ `direct`: what the method reads for equal things.
    package var control: LatencyRatio
    /// Connects to random ones of all frontends; absent with one service.
    package var random: Comparison?
    /// Direct connects from outside the cgroup with the hooks.
    package var unhooked: Comparison?
    /// By name of the packet filter: connects to one frontend through the rules that kube-proxy would write.
    package var against: [String: Comparison] = [:]
    /// What one run of connect4 costs; absent where the kernel or the target does not let it be measured.
    package var programs: ProgramCosts?

    /// Another path, beside direct connects of the same rounds.
    package struct Comparison: Codable, Sendable, Equatable {
        package let latency: Latency
        package let ratio: LatencyRatio
        /// How long the rules took to load, in milliseconds.
        package var loadMilliseconds: Int?
    }

    /// Objects `direct`, `vip`, `ratio`, each with p50, p90, p99, p999; times in nanoseconds, keys in snake case.
    package func json() throws -> String { try BenchmarkJSON.text(of: self) }
}

extension DatagramResult {
    /// Objects `empty`, `miss`, `one` and `many`; times in nanoseconds, keys in snake case.
    package func json() throws -> String { try BenchmarkJSON.text(of: self) }
}

private enum BenchmarkJSON {
    static func text(of result: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(result), as: UTF8.self)
    }
}

/// The machine that was measured on: a ratio means nothing without it.
package struct Machine: Codable, Sendable, Equatable {
    package var kernel: String
    package var processor: String
    package var processors: Int

    /// This machine.
    package static var current: Machine {
        Machine(
            // What follows the version names a build, which says nothing about the machine.
            kernel: String(read("/proc/sys/kernel/osrelease").prefix { $0 != "-" }), processor: processorName,
            processors: ProcessInfo.processInfo.activeProcessorCount)
    }

    private static var processorName: String {
        let line = read("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":", maxSplits: 1).last ?? "unknown"
        return String(name.drop { $0 == " " })
    }

    /// A file of /proc, without the line break at its end.
    private static func read(_ path: String) -> String {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? "unknown"
        return text.last == "\n" ? String(text.dropLast()) : text
    }
}

/// A result with the samples behind it, for pictures.
package struct BenchmarkReport: Sendable {
    package let result: BenchmarkResult
    let samples: [PathSamples]

    func samples(of kind: ConnectPath.Kind) -> PathSamples? { samples.first { $0.kind == kind } }
}
