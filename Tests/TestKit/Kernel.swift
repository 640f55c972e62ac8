package import BPFLoader
import Glibc
package import Testing

extension Tag {
    /// Tier 2: needs a kernel that lets this process load BPF programs.
    @Tag package static var kernel: Self
}

/// What the kernel under the tests allows.
package enum Kernel {
    /// True with SWIFTLET_REQUIRE_KERNEL=1, as in CI: a test that cannot run must then fail, not be skipped.
    package static let isRequired = getenv("SWIFTLET_REQUIRE_KERNEL").map { String(cString: $0) } == "1"

    /// The condition of every suite of tier 2. It holds where it must, so that what is missing shows as a failure.
    package static let canLoadPrograms = isRequired || features != nil

    /// What the kernel has; nil if this process may not even ask.
    package static let features: KernelFeatures? = try? KernelFeatures.probe()

    /// Why a suite of tier 2 is skipped.
    package static let reason: Comment = "needs root, or CAP_BPF and CAP_NET_ADMIN, to load BPF programs"
}
