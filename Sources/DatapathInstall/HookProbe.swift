import BPFLoader
package import Glibc
import NodeNetwork
package import ServiceModel
package import SystemPackage
import SystemCalls

/// Whether the hooks do what they should: a process below the cgroup asks a known ClusterIP for port 0, which none serves
/// and no counter counts, with a TCP socket that does not wait. Only our hook can refuse such a connect at once (spec 28),
/// and then nothing leaves the node. (UDP's is never refused, spec 55.)
///
/// A process that is below the cgroup asks by itself, as a daemon in a pod does, which may not make cgroups. Another one
/// asks by a child in a cgroup that it makes.
package enum HookProbe {
    package enum Outcome: String, Sendable, Codable {
        case effective
        /// The connect went through as if nothing were attached.
        case ineffective
        /// There is no ClusterIP to ask.
        case nothingToAsk
        /// Connects of TCP are left to packets (`--socket-lb off` or `udp`).
        case leftToPackets
        /// This process may not make a cgroup, and is not in one that is served.
        case notPermitted
        /// The probe itself could not be run.
        case failed
    }

    /// Runs the probe in a process of its own, below the cgroup: this program's `probe-hook` joins it and connects.
    package static func run(cgroup: FilePath, vip: IPAddress) -> Outcome {
        let child = cgroup.appending("swiftlet-probe-\(getpid())")
        guard child.withPlatformString({ mkdir($0, 0o755) }) == 0 else {
            return [EACCES, EPERM, EROFS].contains(errno) ? .notPermitted : .failed
        }
        defer { _ = child.withPlatformString { rmdir($0) } }
        switch exitCode(of: ["swiftlet", "probe-hook", "--cgroup", child.string, "--address", "\(vip)"]) {
        case 0: return .effective
        case 4: return .ineffective
        default: return .failed
        }
    }

    /// The probe of this process, without a child; nil when it is not below the cgroup.
    package static func runHere(cgroup: FilePath, vip: IPAddress) -> Outcome? {
        CgroupFileSystem.contains(process: getpid(), below: cgroup) == true ? connect(to: vip) : nil
    }

    /// Runs this very program, also when its file was replaced; nil when it did not start or did not exit by itself.
    private static func exitCode(of arguments: [String]) -> Int32? {
        guard let child = try? Spawn.start("/proc/self/exe", arguments) else { return nil }
        return ChildExit.wait(for: child)?.code
    }

    /// Moves this process into a cgroup.
    package static func join(_ cgroup: String) throws(InstallError) {
        do throws(Errno) {
            try SystemFile.write("0", to: FilePath(cgroup + "/cgroup.procs"))
        } catch {
            throw InstallError(
                FailureCode(errno: error.rawValue, otherwise: .attachRefused),
                "cannot join cgroup \(cgroup): \(error.plainText); \(error.remedy(or: "run as root"))")
        }
    }

    /// The child's part: joins the cgroup and connects.
    package static func connect(in cgroup: String, to vip: IPAddress) throws(InstallError) -> Outcome {
        try join(cgroup)
        return connect(to: vip)
    }

    /// What a connect of this process comes to.
    package static func connect(to vip: IPAddress) -> Outcome {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(vip.family == .v4 ? AF_INET : AF_INET6, type, 0)
        defer { close(descriptor) }
        let error = vip.withSocketAddress(port: 0) { Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
        switch error {
        case ECONNREFUSED: return .effective
        // Below kernel 6.1 the hook sends the socket to port 0 of loopback: a connect that does not wait is under way
        // before the refusal comes, but from loopback, from where nothing goes to a ClusterIP.
        case EINPROGRESS: return isFromLoopback(descriptor, vip.family) ? .effective : .ineffective
        // The answer is the kernel's own: no hook had a word in it.
        default: return .ineffective
        }
    }

    /// Whether the socket's own address is the first one of loopback, which the kernel gives it towards loopback.
    private static func isFromLoopback(_ descriptor: Int32, _ family: IPFamily) -> Bool {
        let own = IPAddress(ofSocket: descriptor, family)
        return family == .v4 ? own?.bytes.first == 127 : own == IPAddress(v6: 0, 1)
    }
}

extension IPAddress {
    /// The address that a socket of this family has on this side.
    package init?(ofSocket descriptor: CInt, _ family: IPFamily) {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { return nil }
        // It stands behind family and port, and with IPv6 behind the flow label, too.
        let bytes = withUnsafeBytes(of: &address) { Array(family == .v4 ? $0[4..<8] : $0[8..<24]) }
        self.init(networkOrder: bytes[...])
    }

    /// The address as the kernel wants it.
    package func withSocketAddress<Result>(
        port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        switch family {
        case .v4:
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(truncatingIfNeeded: low).bigEndian
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .v6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: bytes) }
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }
}
