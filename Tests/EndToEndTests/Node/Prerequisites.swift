import BPFLoader
import Foundation
import Glibc
import TestKit
import Testing

extension Tag {
    /// Tier 3: the programs themselves with real sockets, in namespaces of their own.
    @Tag static var endToEnd: Self
}

extension Trait where Self == ConditionTrait {
    /// The condition of every suite of tier 3. It holds where it must, so that what is missing shows as a failure.
    static var endToEnd: Self {
        .enabled(if: Kernel.isRequired || Prerequisites.missing.isEmpty, Prerequisites.reason)
    }

    /// Of tests that attach programs to devices by tcx links.
    static var hasTCX: Self { .enabled(if: Prerequisites.hasTCX, "the kernel has no tcx links") }

    /// Of tests that ask by the resolvers that people have.
    static var hasResolvers: Self {
        .enabled(if: Prerequisites.hasResolvers, "dig, dnsmasq or musl-gcc is not installed")
    }

    /// Of tests that need kube-proxy's rules.
    static var hasNftables: Self { .enabled(if: Prerequisites.hasNftables, "nft is not installed") }
}

/// What tier 3 needs of a machine.
enum Prerequisites {
    fileprivate static var reason: Comment { "missing: \(missing.joined(separator: ", "))" }

    fileprivate static let missing: [String] = {
        var missing = ["bpftool", "ip", "nsenter"].filter { !isInstalled($0) }
        if Kernel.features == nil { missing.append("root, or CAP_BPF and CAP_NET_ADMIN") }
        let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        if !mounts.contains(" - cgroup2 ") { missing.append("a cgroup2 hierarchy") }
        return missing
    }()

    /// For tests that attach programs to devices by tcx links.
    static let hasTCX = Kernel.features?.has(.tcx) == true
    /// For names by DNS.
    static let hasResolvers = ["dig", "dnsmasq", "musl-gcc"].allSatisfy(isInstalled)
    /// For a comparison with kube-proxy's rules.
    static let hasNftables = Kernel.isRequired || isInstalled("nft")

    private static func isInstalled(_ program: String) -> Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        return path.split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
    }
}
