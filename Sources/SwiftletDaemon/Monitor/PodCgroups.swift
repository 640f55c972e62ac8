import BPFLoader
import FoundationEssentials
import Glibc
package import ServiceModel

/// Which pod a cgroup belongs to, as kubelet leaves it on the node: cgroups with the pod's UID in their path, and
/// directories of logs with the pod's UID in their name. It needs no API server, and knows processes that have ended.
package struct PodCgroups {
    /// How long an unknown cgroup is not looked for again.
    private static let patience = Duration.seconds(2)

    private let logs: String
    private let cgroups: String
    private var pods: [UInt64: ObjectName] = [:]
    /// When it was last looked for: a new pod's directories come one after the other.
    private var unknown: [UInt64: Duration] = [:]

    /// - Parameters:
    ///   - logs: kubelet's `podLogsDir`.
    ///   - cgroups: where the cgroup2 hierarchy is mounted; the directories of others have numbers of their own.
    package init(logs: String, cgroups: String) {
        self.logs = logs
        self.cgroups = cgroups
    }

    /// Whether kubelet's logs, and cgroups, can be seen.
    package var canTellPods: Bool { [logs, cgroups].allSatisfy { (path: String) in access(path, R_OK | X_OK) == 0 } }

    /// - Parameter cgroup: its id, which is the inode of its directory.
    package mutating func pod(of cgroup: UInt64) -> ObjectName? {
        if let pod = pods[cgroup] { return pod }
        if let last = unknown[cgroup], KernelClock.now - last < Self.patience { return nil }
        read()
        unknown[cgroup] = pods[cgroup] == nil ? KernelClock.now : nil
        return pods[cgroup]
    }

    private mutating func read() {
        var names: [String: ObjectName] = [:]
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: logs)) ?? [] {
            // NAMESPACE_NAME_UID; neither of them may have an underscore.
            let parts = entry.split(separator: "_")
            guard parts.count == 3 else { continue }
            names[String(parts[2])] = ObjectName(namespace: String(parts[0]), name: String(parts[1]))
        }
        guard !names.isEmpty else { return }
        walk(cgroups, pod: nil, names, depth: 0)
    }

    private mutating func walk(_ directory: String, pod: ObjectName?, _ names: [String: ObjectName], depth: Int) {
        guard depth < 12, let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            let found = pod ?? Self.uid(in: name).flatMap { names[$0] }
            if let found { pods[UInt64(entry.pointee.d_ino)] = found }
            walk("\(directory)/\(name)", pod: found, names, depth: depth + 1)
        }
    }

    /// `kubepods-burstable-pod0b5e_….slice` of systemd, `pod0b5e-…` of cgroupfs.
    private static func uid(in name: String) -> String? {
        let stem = name.hasSuffix(".slice") ? String(name.dropLast(6)) : name
        // It stands at the end, behind the last "pod": "kubepods" has one too.
        guard let last = stem.split(separator: "-").firstIndex(where: { $0.hasPrefix("pod") }) else { return nil }
        let uid = stem.split(separator: "-")[last...].joined(separator: "-").dropFirst(3).map { $0 == "_" ? "-" : $0 }
        return uid.count >= 32 ? String(uid) : nil
    }
}
