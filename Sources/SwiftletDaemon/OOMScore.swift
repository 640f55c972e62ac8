import Logging
import SystemCalls
import SystemPackage

/// How reluctantly the kernel ends this process when memory runs out: −1000 never, 1000 first.
enum OOMScore {
    /// Lowering it needs CAP_SYS_RESOURCE; without that the process runs on as it is.
    static func adjust(to score: Int, log: Logger) {
        do {
            let file = try FileDescriptor.open("/proc/self/oom_score_adj", .writeOnly)
            _ = try file.closeAfter { try file.writeAll("\(score)".utf8) }
        } catch {
            log.notice(
                "cannot set oom_score_adj",
                metadata: [
                    "oomScoreAdj": "\(score)", "cause": "\((error as? Errno)?.plainText ?? "\(error)")",
                    "advice": "harmless; it needs CAP_SYS_RESOURCE",
                ])
        }
    }
}
