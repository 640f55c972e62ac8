import Glibc
import SystemCalls
import SystemPackage

/// A kube-proxy that runs in this network namespace, and would put its rules back.
package struct KubeProxyProcess: Sendable, Hashable {
    package let pid: Int32

    /// All that can be seen from here.
    package static func all(in root: String = "/proc") -> [KubeProxyProcess] {
        let own = SystemFile.linkTarget(FilePath("\(root)/self/ns/net"))
        // A process may end while we look.
        let names = (try? SystemFile.names(in: FilePath(root))) ?? []
        return names.compactMap { Int32($0) }.filter { pid in
            (try? SystemFile.text(of: FilePath("\(root)/\(pid)/comm")))?.hasPrefix("kube-proxy\n") == true
                && SystemFile.linkTarget(FilePath("\(root)/\(pid)/ns/net")) == own
        }.sorted().map(KubeProxyProcess.init)
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
