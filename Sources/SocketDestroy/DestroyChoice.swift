internal import BPFLoader
import Glibc
internal import ServiceModel
internal import SystemPackage
import SystemCalls

/// The mechanism that this kernel and the rights of this process allow.
package struct DestroyChoice: Sendable {
    /// Nil: sockets cannot be destroyed.
    package let destroyer: (any SocketDestroyer)?
    /// Nil: UDP sockets are not connected anew.
    package let reviver: SocketReviver?
    /// Why a mechanism that was tried is not taken.
    package let reasons: [String]
    /// Why no other network namespace than the own can be entered; nil when it can.
    package let confinement: String?

    /// Tries the mechanisms, the better one first.
    ///
    /// - Parameter wanted: the only one to try.
    package static func make(_ paths: DatapathPaths, wanted: DestroyMechanism? = nil) async -> DestroyChoice {
        var reasons: [String] = []
        var destroyer: (any SocketDestroyer)?
        for mechanism in wanted.map({ [$0] }) ?? DestroyMechanism.allCases where destroyer == nil {
            do {
                switch mechanism {
                case .bpf:
                    guard IteratorDestroyer.isPossible else {
                        reasons.append("this kernel has no bpf_sock_destroy (6.5)")
                        continue
                    }
                    destroyer = try IteratorDestroyer(paths)
                case .netlink:
                    try SocketDiagnosis.tryOut()
                    destroyer = try NetlinkDestroyer(paths)
                }
            } catch {
                reasons.append("\(error)")
            }
        }
        // What it cannot do it leaves to the destroyer.
        let reviver = destroyer == nil ? nil : try? SocketReviver(paths)
        return DestroyChoice(
            destroyer: destroyer, reviver: reviver, reasons: reasons, confinement: await confinement())
    }

    /// Entering the namespace in which a thread is already needs the right, and changes nothing.
    private static func confinement() async -> String? {
        do throws(ThreadError) {
            return try await OwnThread.run { () -> String? in
                do throws(BPFError) {
                    try NetworkNamespace.enter(NetworkNamespaces.ownPath)
                    return nil
                } catch {
                    return "\(error)"
                }
            }
        } catch {
            return "\(error)"
        }
    }
}

extension SocketDiagnosis {
    /// The kernel's number for a socket; 0 for what is none.
    static func cookie(of descriptor: CInt) -> UInt64 {
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        let option: CInt = 57  // SO_COOKIE, which Glibc's module leaves out
        return getsockopt(descriptor, SOL_SOCKET, option, &cookie, &size) == 0 ? cookie : 0
    }
}

/// The kernel does not do what was asked of it.
struct DestroyRefusal: Error, CustomStringConvertible {
    let description: String
}

extension SocketDiagnosis {
    /// Destroys a socket that was made for it, connected to itself on the loopback.
    static func tryOut() throws {
        let raw = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw DestroyRefusal(description: "cannot open a socket: \(Errno.last.plainText)") }
        defer { close(raw) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(raw, $0, length) == 0 && getsockname(raw, $0, &length) == 0 && connect(raw, $0, length) == 0
            }
        }
        guard isConnected else {
            throw DestroyRefusal(description: "cannot connect a socket to itself: \(Errno.last.plainText)")
        }
        let cookie = cookie(of: raw)
        guard let udp = Transport(.udp) else { return }
        let diagnosis = try SocketDiagnosis()
        switch diagnosis.destroy(ConnectedSocket(loopbackPort: address.sin_port, cookie: cookie), udp) {
        case .destroyed: return
        case .wasGone: throw DestroyRefusal(description: "this kernel has no udp_diag; load that module")
        case .refused(.notSupportedOnSocket):
            throw DestroyRefusal(description: "this kernel is built without CONFIG_INET_DIAG_DESTROY")
        case .refused(let cause):
            throw DestroyRefusal(description: "cannot destroy a socket: \(cause); grant CAP_NET_ADMIN")
        }
    }
}

extension DestroyChoice {
    /// Where none are to be destroyed.
    package static var none: DestroyChoice {
        DestroyChoice(destroyer: nil, reviver: nil, reasons: [], confinement: nil)
    }
}
