import Glibc

/// A kube-proxy that runs in this network namespace, and would put its rules back.
package struct KubeProxyProcess: Sendable, Hashable {
    package let pid: Int32

    /// All that can be seen from here.
    package static func all(in root: String = "/proc") -> [KubeProxyProcess] {
        let own = linkTarget("\(root)/self/ns/net")
        return entries(of: root).compactMap { Int32($0) }.filter { pid in
            text(of: "\(root)/\(pid)/comm").map { $0.hasPrefix("kube-proxy\n") } == true
                && linkTarget("\(root)/\(pid)/ns/net") == own
        }.sorted().map(KubeProxyProcess.init)
    }

    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &bytes, bytes.count)
        return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    private static func linkTarget(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink(path, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Empty where there is none: a process may end while we look.
    private static func entries(of directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }
}

/// kube-proxy's ipvs mode, whose traces are virtual servers in the kernel and a device that holds their addresses.
package enum IPVS {
    /// What of it is in this network namespace; nil if nothing is.
    package static func trace(table: String = "/proc/self/net/ip_vs") -> String? {
        if if_nametoindex("kube-ipvs0") != 0 { return "the device kube-ipvs0" }
        guard let stream = fopen(table, "r") else { return nil }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 256)
        var count = 0
        while fgets(&line, Int32(line.count), stream) != nil {
            let start = line.prefix(3).map { UInt8(bitPattern: $0) }
            if ["TCP", "UDP", "SCT", "FWM"].contains(where: { Array($0.utf8) == start }) { count += 1 }
        }
        return count > 0 ? "\(count) virtual servers of IPVS" : nil
    }
}
