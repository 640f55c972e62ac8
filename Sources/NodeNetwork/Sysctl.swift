import Glibc
import Netlink
import SystemPackage
import SystemCalls

/// A kernel setting of the calling thread's network namespace, by its path: `net`, `ipv4`, `conf`, `eth0.7`, `rp_filter`.
package struct Sysctl: Hashable, Sendable {
    let path: [String]

    init(_ path: String...) { self.path = path }

    /// The name that sysctl(8) takes: a dot in a device's name becomes a slash.
    package var name: String {
        path.map { part in String(part.map { $0 == "." ? "/" : $0 }) }.joined(separator: ".")
    }
}

/// Where settings are read and written.
package struct SysctlTree: Hashable, Sendable {
    private let root: String

    /// - Parameter root: the kernel's directory, or one that looks like it.
    package init(root: String = "/proc/sys") { self.root = root }

    /// The number; nil where the kernel has no such setting, as when it runs without IPv6 or the device is gone.
    func number(_ setting: Sysctl) throws(NetworkError) -> Int? {
        guard let text = try text(setting) else { return nil }
        guard let number = Int(text) else { throw NetworkError(.read, setting.name, .invalidArgument) }
        return number
    }

    /// The first line; nil where the kernel has no such setting.
    func text(_ setting: Sysctl) throws(NetworkError) -> String? {
        do throws(Errno) {
            let bytes = try SystemFile.bytes(of: FilePath(path(of: setting)))
            return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        } catch {
            if error == .noSuchFileOrDirectory { return nil }
            throw NetworkError(.read, setting.name, error)
        }
    }

    func set(_ setting: Sysctl, to value: String) throws(NetworkError) {
        do throws(Errno) {
            try SystemFile.write(value, to: FilePath(path(of: setting)))
        } catch {
            throw NetworkError(.set, "\(setting.name) to \(value)", error)
        }
    }

    private func path(of setting: Sysctl) -> String { ([root] + setting.path).joined(separator: "/") }
}
