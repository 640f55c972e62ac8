import ServiceLifecycle
import Synchronization

/// What the datapath counted lately, a sample every few seconds: for the plots of the status page, and for what `status` says of
/// the last minutes.
final class ActivityHistory: Sendable {
    /// Added up since the maps were made.
    struct Sample: Sendable, Hashable {
        var time: Duration
        var connects: UInt64 = 0
        var refusals: UInt64 = 0
        var flows: UInt64 = 0
        var packets: UInt64 = 0
        /// Because no place was free.
        var refusedFlows: UInt64 = 0
        /// Because no hook had seen the socket that sent it.
        var untranslated: UInt64 = 0
    }

    static let pause = Duration.seconds(5)
    /// Ten minutes.
    static let length = 121

    private let samples = Mutex<[Sample]>([])

    var all: [Sample] { samples.withLock { $0 } }

    /// How much was counted in all this time.
    func sum(_ counter: KeyPath<Sample, UInt64>) -> UInt64 { Self.increases(of: all, counter).reduce(0, +) }

    func note(_ sample: Sample) {
        samples.withLock { samples in
            samples.append(sample)
            if samples.count > Self.length { samples.removeFirst(samples.count - Self.length) }
        }
    }

    /// A second, between each sample and the next one.
    static func rates(of samples: [Sample], _ counter: KeyPath<Sample, UInt64>) -> [Double] {
        let pauses = zip(samples, samples.dropFirst()).map { ($1.time - $0.time) / .seconds(1) }
        return zip(increases(of: samples, counter), pauses).map { Double($0) / max($1, 0.001) }
    }

    /// From each sample to the next one. Counters that are smaller than before have begun anew.
    private static func increases(of samples: [Sample], _ counter: KeyPath<Sample, UInt64>) -> [UInt64] {
        let counts = samples.map { $0[keyPath: counter] }
        return zip(counts, counts.dropFirst()).map { $1 >= $0 ? $1 - $0 : $1 }
    }
}

extension ActivityHistory.Sample {
    /// - Parameter counters: by the names of `enum counter` in lower case.
    init(time: Duration, counters: [String: UInt64]) {
        self.init(time: time)
        for (name, count) in counters {
            switch name {
            case "forward", "forward_affinity": connects &+= count
            case "flow_begun": flows &+= count
            case "packet", "packet_back": packets &+= count
            default: if name.hasPrefix("refuse_") { refusals &+= count }
            }
            if name == "refuse_flows_full" { refusedFlows = count }
            if name == "refuse_untranslated" { untranslated = count }
        }
    }
}

/// Takes the samples.
struct ActivityService: Service {
    let history: ActivityHistory
    /// Nil while the counters cannot be read.
    let read: @Sendable () -> ActivityHistory.Sample?

    func run() async throws {
        await cancelWhenGracefulShutdown {
            repeat {
                if let sample = read() { history.note(sample) }
            } while (try? await Task.sleep(for: ActivityHistory.pause)) != nil
        }
    }
}

extension DaemonReport {
    /// The same with what was counted lately.
    func with(_ history: ActivityHistory) -> DaemonReport {
        var report = self
        let refused = history.sum(\.refusedFlows)
        if refused > 0 {
            report.risks.append(
                "\(refused) new flows were refused in the last 10 minutes, because all places for flows have open ones "
                    + "(refuse_flows_full); raise --max-flows")
        }
        let untranslated = history.sum(\.untranslated)
        if untranslated > 0 {
            report.risks.append(
                "\(untranslated) packets to Services were refused in the last 10 minutes, because no hook saw the sockets "
                    + "that sent them (refuse_untranslated): their programs are outside the served cgroup, or connected "
                    + "before swiftlet was loaded; `swiftlet monitor --refused` shows them")
        }
        return report
    }
}
