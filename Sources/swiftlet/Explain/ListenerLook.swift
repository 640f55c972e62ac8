import NodeNetwork
import Reporting
import ServiceModel
import SystemCalls
import SystemPackage

/// The listeners in pods that did not answer a connect.
extension NodeLook {
    mutating func noteListeners(to destination: Explainer.Destination, _ facts: inout ExplainFacts) {
        for endpoint in destination.endpoints.prefix(16) {
            let socket = FrontendKey.socket(endpoint.address, endpoint.port)
            guard let outcome = facts.connects?[socket], [.refused, .timedOut].contains(outcome),
                let pid = ProcessEntry.withAddress(endpoint.address)
            else { continue }
            let tables = ["tcp", "tcp6"].compactMap {
                try? SystemFile.text(of: FilePath("/proc/\(pid)/net/\($0)"), atMost: 1 << 22)
            }
            facts.listeners = facts.listeners ?? [:]
            facts.listeners?[socket] = Listeners(tables).on(endpoint.port)
        }
    }
}

extension ProcessEntry {
    /// A process in whose network namespace an address is; nil where none is seen.
    static func withAddress(_ address: IPAddress) -> Int32? {
        var seen: Set<UInt64> = []
        let entries = (try? SystemFile.entries(of: FilePath("/proc"))) ?? []
        return entries.lazy.compactMap { Int32($0.name) }.first { pid in
            guard let network = network(of: pid), seen.insert(network).inserted else { return false }
            return has(address, pid)
        }
    }

    private static func has(_ address: IPAddress, _ pid: Int32) -> Bool {
        func text(_ file: String) -> String {
            (try? SystemFile.text(of: FilePath("/proc/\(pid)/net/\(file)"), atMost: 1 << 22)) ?? ""
        }
        switch address.family {
        case .v4:
            let lines = text("fib_trie").split(separator: "\n").map { $0.drop { $0 == " " } }
            return zip(lines, lines.dropFirst()).contains { $0 == "|-- \(address)" && $1.hasPrefix("/32 host LOCAL") }
        case .v6:
            let digits = address.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            return text("if_inet6").split(separator: "\n").contains { $0.hasPrefix(digits) }
        }
    }
}
