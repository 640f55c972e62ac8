import FoundationEssentials
import Glibc
import Observability
import SystemCalls
import SystemPackage

/// What the kernel says of this process.
struct ProcessStatistics: Sendable, Hashable {
    /// User and system time in seconds.
    var cpuSeconds = 0.0
    var residentBytes: UInt64 = 0
    var openDescriptors = 0
    /// Since 1970.
    var startSeconds = 0.0

    /// Nil where /proc cannot be read.
    static var own: ProcessStatistics? {
        guard let stat = try? SystemFile.text(of: "/proc/self/stat"),
            let boot = try? SystemFile.text(of: "/proc/stat"),
            let bootTime = boot.split(separator: "\n").first(where: { $0.hasPrefix("btime ") })?.split(separator: " ")
                .last,
            let name = stat.lastIndex(of: ")")
        else { return nil }
        // The third field comes after the name, which may hold anything; proc(5) counts from 1.
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        func field(_ number: Int) -> Double {
            fields.indices.contains(number - 3) ? Double(fields[number - 3]) ?? 0 : 0
        }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        return ProcessStatistics(
            cpuSeconds: (field(14) + field(15)) / ticks,
            residentBytes: UInt64(field(24)) * UInt64(sysconf(Int32(_SC_PAGESIZE))),
            openDescriptors: (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count ?? 0,
            startSeconds: (Double(bootTime) ?? 0) + field(22) / ticks)
    }
}
