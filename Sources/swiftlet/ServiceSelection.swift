import KubernetesObjects
import Reporting
import ServiceModel
import SwiftletDaemon

/// Which Services `swiftlet services` shows: as kubectl's users type it.
struct ServiceSelection {
    /// `NAME`, `NS/NAME`, either with `:PORT`, `ADDRESS`, `ADDRESS:PORT`; none for all.
    var words: [String] = []
    /// Of names without one, and of the list; nil for all.
    var namespace: String?
    /// Only service ports without a backend, and Services with a problem.
    var broken = false

    /// The listing with what is selected.
    /// - Throws: for a word that nothing answers to, with the nearest name.
    func apply(to listing: ServiceListing) throws(CommandError) -> ServiceListing {
        var chosen = listing
        if words.isEmpty {
            if let namespace { chosen.services.removeAll { $0.namespace != namespace } }
        } else {
            var indices: [Int: Set<Int>] = [:]
            for word in words {
                let found = matches(word, in: listing)
                if found.isEmpty { throw missing(word, in: listing) }
                for (index, ports) in found { indices[index, default: []].formUnion(ports) }
            }
            chosen.services = indices.sorted { $0.key < $1.key }.map { index, ports in
                var item = listing.services[index]
                item.ports = ports.sorted().map { item.ports[$0] }
                return item
            }
        }
        if broken {
            for index in chosen.services.indices { chosen.services[index].ports.removeAll { !$0.isBroken } }
            chosen.services.removeAll { $0.ports.isEmpty && $0.problems.isEmpty }
        }
        return chosen
    }

    /// Services by index, each with the indices of its ports that a word names.
    private func matches(_ word: String, in listing: ServiceListing) -> [Int: [Int]] {
        var found: [Int: [Int]] = [:]
        let whole = IPAddress(word)
        let subject = ExplainQuestion.Subject(word, namespace: namespace)
        for (index, item) in listing.services.enumerated() {
            var ports: [Int]?
            if let whole {
                ports = item.portIndices { port in port.frontends.contains { $0.address == "\(whole)" } }
            } else if case .address(let address, let number)? = subject {
                ports = item.portIndices { port in
                    port.frontends.contains { $0.address == "\(address)" && $0.port == Int(number.number) }
                }
            } else if case .service(let namespace, let name, let port)? = subject,
                item.name == name, namespace == nil || namespace == item.namespace
            {
                let named = item.portIndices { $0.name == port || $0.frontends.contains { "\($0.port)" == port } }
                ports = port == nil ? Array(item.ports.indices) : named
                if port != nil, named.isEmpty { ports = nil }
            }
            if let ports, !ports.isEmpty || (whole == nil && ports.isEmpty && item.ports.isEmpty) {
                found[index] = ports
            }
        }
        return found
    }

    private func missing(_ word: String, in listing: ServiceListing) -> CommandError {
        let bare = word.split(separator: "/").last.map(String.init) ?? word
        let name = bare.split(separator: ":").first.map(String.init) ?? bare
        let near = Set(listing.services.map(\.name)).sorted().nearest(to: name)
        let others = listing.services.filter { $0.name == name }.map { "\($0.namespace)/\($0.name)" }
        let hint =
            others.first.map { $0 == word ? "" : "; there is \($0)" } ?? near.map { "; did you mean \($0)?" } ?? ""
        return CommandError("no Service \(word)\(hint) (`swiftlet services` lists all)")
    }
}

extension ServiceListing.Item {
    fileprivate func portIndices(where condition: (ServiceListing.Port) -> Bool) -> [Int] {
        ports.indices.filter { condition(ports[$0]) }
    }
}

extension ServiceListing.Port {
    fileprivate var isBroken: Bool { reason != nil || frontends.isEmpty }
}

/// Commands that Cilium's users have in their fingers, as ours.
enum Aliases {
    private static let known: [([String], [String])] = [
        (["service", "list"], ["services"]), (["service"], ["services"]), (["bpf", "lb", "list"], ["services"]),
        (["map", "list"], ["maps"]), (["map"], ["maps"]),
        (["bpf", "ct", "list", "global"], ["flows"]), (["bpf", "ct", "list"], ["flows"]),
        (["bpf", "nat", "list"], ["flows"]),
    ]

    static func rewritten(_ arguments: [String]) -> [String] {
        for (alias, command) in known where arguments.starts(with: alias) {
            return command + arguments.dropFirst(alias.count)
        }
        return arguments
    }
}
