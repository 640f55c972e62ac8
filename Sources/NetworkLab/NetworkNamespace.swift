import Glibc
import Synchronization

/// A network namespace of our own under /run/netns; it is removed when its owner goes.
///
/// The name holds the process id and a number, so that no other is touched and tests may run side by side.
package struct NetworkNamespace: ~Copyable, Sendable {
    package let name: String

    /// The file that `nsenter --net=` and `setns(2)` take.
    package var path: String { "/run/netns/\(name)" }

    /// Creates the namespace and brings its loopback up.
    package init(_ label: String) throws(LabError) {
        let name = LabName.unique(label)
        try Command.run("ip", "netns", "add", name)
        do {
            try Command.run("ip", "-n", name, "link", "set", "lo", "up")
        } catch {
            Self.remove(name)
            throw error
        }
        self.name = name
    }

    deinit { Self.remove(name) }

    private static func remove(_ name: String) {
        // It is ours and named after us: when this fails it is already gone, and nothing is to be done.
        _ = try? Command.run("ip", "netns", "delete", name)
    }

    /// Runs `ip` inside the namespace: `try pod.ip("route", "add", "default", "via", "10.244.0.1")`.
    @discardableResult
    package func ip(_ arguments: String...) throws(LabError) -> String {
        try Command.run(["ip", "-n", name] + arguments)
    }

    /// Runs many `ip` commands, one a line, in one process.
    package func ip(lines: [String]) throws(LabError) {
        try Command.run(["ip", "-n", name, "-batch", "-"], input: lines.joined(separator: "\n") + "\n")
    }

    /// Adds an address such as `10.244.0.11/16`; IPv6 is usable at once, without duplicate address detection.
    package func addAddress(_ address: String, to device: String) throws(LabError) {
        try ip(lines: [Self.addressLine(address, device)])
    }

    static func addressLine(_ address: String, _ device: String) -> String {
        "address add \(address) dev \(device)" + (address.contains(":") ? " nodad" : "")
    }

    /// Lays a veth pair from here to another namespace and brings both ends up; it goes with either namespace.
    package func connect(_ device: String, to other: borrowing NetworkNamespace, _ peer: String) throws(LabError) {
        let pair = ["link", "add", device, "netns", name, "type", "veth", "peer", "name", peer, "netns", other.name]
        try Command.run(["ip"] + pair)
        try ip("link", "set", device, "up")
        try other.ip("link", "set", peer, "up")
    }

    /// Sets a per-namespace setting by its path below /proc/sys/net, such as `ipv4/ip_forward`.
    package func set(_ setting: String, to value: String) throws {
        try run { try SmallFile.write(value, to: "/proc/sys/net/\(setting)") }
    }

    /// Runs a closure on a thread of its own that has entered the namespace, and waits for it.
    ///
    /// The thread ends afterwards, so no task and no later work runs in the namespace by accident. Sockets made inside
    /// stay in the namespace for life and may be used anywhere.
    package func run<Value: ~Copyable>(_ body: () throws -> Value) throws -> Value {
        try LabThread.run {
            try LabThread.enterNamespace(path)
            return try body()
        }
    }
}

/// Names that are unique on the machine while this process lives.
enum LabName {
    private static let next = Atomic<Int>(1)

    static func unique(_ label: String) -> String {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return "swl-\(getpid())-\(number)-\(label)"
    }
}
