import BPFLoader
import Glibc

/// The limit of locked memory, against which kernels before 5.11 count maps and programs.
enum LockedMemory {
    /// Raises the limit as far as it goes.
    static func allowAll() {
        var limit = rlimit(rlim_cur: rlim_t.max, rlim_max: rlim_t.max)
        if setrlimit(resource, &limit) == 0 { return }
        // Without CAP_SYS_RESOURCE the hard limit is the end; `lack` says so where it matters.
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }

    /// What is wrong with it on this kernel, and what to do; nil if nothing is.
    static var lack: String? {
        var limit = rlimit()
        guard countsMaps(kernelRelease()), getrlimit(resource, &limit) == 0, limit.rlim_cur != rlim_t.max else {
            return nil
        }
        return "kernel \(kernelRelease()) counts maps as locked memory, of which \(limit.rlim_cur >> 10) KiB are "
            + "allowed; set LimitMEMLOCK=infinity in the unit, or add CAP_SYS_RESOURCE for the start"
    }

    /// Whether a kernel, by its release, is older than 5.11.
    static func countsMaps(_ release: String) -> Bool {
        let numbers = release.split(separator: ".").prefix(2).map { part in Int(part.prefix { $0.isNumber }) ?? 0 }
        return numbers.count == 2 && (numbers[0], numbers[1]) < (5, 11)
    }

    private static let resource = Int32(__RLIMIT_MEMLOCK.rawValue)
}
