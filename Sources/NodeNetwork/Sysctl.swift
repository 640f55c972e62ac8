import Glibc
import Netlink
import SystemPackage

/// A kernel setting of the calling thread's network namespace, by its path: `net`, `ipv4`, `conf`, `eth0.7`, `rp_filter`.
public struct Sysctl: Hashable, Sendable {
    let path: [String]

    init(_ path: String...) { self.path = path }

    /// The name that sysctl(8) takes: a dot in a device's name becomes a slash.
    public var name: String {
        path.map { part in String(part.map { $0 == "." ? "/" : $0 }) }.joined(separator: ".")
    }
}

/// Where settings are read and written.
public struct SysctlTree: Hashable, Sendable {
    private let root: String

    /// - Parameter root: the kernel's directory, or one that looks like it.
    public init(root: String = "/proc/sys") { self.root = root }

    /// The number; nil where the kernel has no such setting, as when it runs without IPv6 or the device is gone.
    func number(_ setting: Sysctl) throws(NetworkError) -> Int? {
        let descriptor = open(path(of: setting), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw NetworkError(.read, setting.name)
        }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw NetworkError(.read, setting.name) }
        let text = String(decoding: buffer.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        guard let number = Int(text) else { throw NetworkError(.read, setting.name, .invalidArgument) }
        return number
    }

    func set(_ setting: Sysctl, to number: Int) throws(NetworkError) {
        let descriptor = open(path(of: setting), O_WRONLY | O_CLOEXEC)
        let subject = "\(setting.name) to \(number)"
        guard descriptor >= 0 else { throw NetworkError(.set, subject) }
        defer { close(descriptor) }
        let text = Array("\(number)".utf8)
        guard write(descriptor, text, text.count) == text.count else { throw NetworkError(.set, subject) }
    }

    private func path(of setting: Sysctl) -> String { ([root] + setting.path).joined(separator: "/") }
}
