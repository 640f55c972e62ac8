import ArgumentParser
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
    func apply(to listing: ServiceListing) throws -> ServiceListing {
        for word in words {
            if let complaint = ExplainQuestion.Subject.complaint(about: word) { throw ValidationError(complaint) }
        }
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
            chosen.services = chosen.services.compactMap { service in
                var item = service
                item.ports.removeAll { !$0.isBroken }
                if !item.ports.isEmpty { return item }
                // Its problem is no port's: it is shown as it is served.
                return service.problems.isEmpty ? nil : service
            }
        }
        return chosen
    }

    /// Services by index, each with the indices of its ports that a word names.
    private func matches(_ word: String, in listing: ServiceListing) -> [Int: [Int]] {
        var found: [Int: [Int]] = [:]
        let (own, proto) = ExplainQuestion.Subject.parted(word)
        let subject = ExplainQuestion.Subject(own, namespace: namespace)
        for (index, item) in listing.services.enumerated() {
            // Nil: the word does not mean this Service. None: it means one without ports.
            var ports: [Int]?
            switch subject {
            case nil: break
            case .address(let address, let number):
                ports = item.ports(at: address) { $1.port == Int(number.number) }
            case .service(let namespace, let name, let port):
                if let address = IPAddress(name) {
                    ports = item.ports(at: address) { found, _ in port == nil || found.name == port }
                } else if item.name == name, namespace == nil || namespace == item.namespace {
                    ports =
                        port == nil
                        ? Array(item.ports.indices)
                        : item.foundPorts { $0.name == port || $0.frontends.contains { "\($0.port)" == port } }
                }
            }
            if let proto { ports = ports?.filter { item.ports[$0].protocol == "\(proto)" } }
            if let ports, !ports.isEmpty || proto == nil { found[index] = ports }
        }
        return found
    }

    /// Says that nothing is in the namespace that is asked for; nil where something is.
    func emptyNamespace(in listing: ServiceListing) -> String? {
        guard words.isEmpty, let namespace else { return nil }
        return listing.services.map { ObjectName(namespace: $0.namespace, name: $0.name) }.missing(namespace: namespace)
    }

    private func missing(_ word: String, in listing: ServiceListing) -> CommandError {
        let own = ExplainQuestion.Subject.parted(word).text
        if let address = ExplainQuestion.Subject(own)?.address {
            let holder = listing.services.first { $0.ports(at: address) { _, _ in true } != nil }
            let owner = holder.map { "; \(address) is an address of \($0.namespace)/\($0.name)" } ?? ""
            return CommandError(.notFound, "no Service is at \(word)\(owner) (`swiftlet services` lists all)")
        }
        let bare = own.split(separator: "/").last.map(String.init) ?? own
        let name = bare.split(separator: ":").first.map(String.init) ?? bare
        let near = Set(listing.services.map(\.name)).sorted().nearest(to: name)
        let others = listing.services.filter { $0.name == name }.map { "\($0.namespace)/\($0.name)" }
        let hint =
            others.first.map { $0 == own ? "" : "; there is \($0)" } ?? near.map { "; did you mean \($0)?" } ?? ""
        return CommandError(.notFound, "no Service \(word)\(hint) (`swiftlet services` lists all)")
    }
}

extension ServiceListing.Item {
    /// Those with a frontend at the address that fits; nil where there is none.
    fileprivate func ports(
        at address: IPAddress, where fits: (ServiceListing.Port, ServiceListing.Frontend) -> Bool
    ) -> [Int]? {
        foundPorts { port in port.frontends.contains { $0.address == "\(address)" && fits(port, $0) } }
    }

    /// Nil where there is none.
    fileprivate func foundPorts(where condition: (ServiceListing.Port) -> Bool) -> [Int]? {
        let found = ports.indices.filter { condition(ports[$0]) }
        return found.isEmpty ? nil : found
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
