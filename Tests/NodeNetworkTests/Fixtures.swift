import Glibc
import NetworkLab
import NodeNetwork
import ServiceModel
import TestKit
import Testing

/// Everything that makes network namespaces, one test at a time: descriptors are counted.
@Suite(.tags(.kernel), .serialized, .timeLimit(.minutes(1)), .enabled(if: Kernel.canLoadPrograms, Kernel.reason))
enum NetworkTests {}

/// A namespace with a veth device "eth0", up and without addresses, whose other end is in another namespace.
struct Wire: ~Copyable {
    let near: NetworkNamespace
    let far: NetworkNamespace

    init() throws {
        let near = try NetworkNamespace("near")
        let far = try NetworkNamespace("far")
        try near.connect("eth0", to: far, "eth0")
        self.near = near
        self.far = far
    }

    func snapshot() throws -> NetworkSnapshot { try near.run { try NetworkSnapshot.read() } }
    func monitor() throws -> NetworkMonitor { try near.run { try NetworkMonitor() } }
    func route(to address: String, by link: LinkIndex? = nil) throws -> Route? {
        let destination = try #require(IPAddress(address))
        return try near.run { try Route.find(to: destination, by: link) }
    }
}

extension NetworkSnapshot {
    /// With default routes by some devices.
    init(links: [NetworkLink], addresses: [LinkAddress], defaultRoutes: [DefaultRoute]) {
        self.init(
            links: links, addresses: addresses,
            routes: defaultRoutes.compactMap { route in
                CIDR(route.family == .v4 ? "0.0.0.0/0" : "::/0").map { NetworkRoute(destination: $0, link: route.link) }
            })
    }

    /// The usable addresses of a link, as text.
    func addresses(of name: String) -> [String] {
        guard let link = link(named: name) else { return [] }
        return addresses.filter { $0.link == link.index && $0.isUsable && !$0.address.isLinkLocal }
            .map { "\($0.address)/\($0.prefixLength)" }
    }

    /// The default routes, as "eth0 v4".
    var defaults: [String] {
        defaultRoutes.map { "\(link($0.link)?.name ?? "?") \($0.family)" }
    }
}

extension NetworkSnapshots.AsyncIterator {
    /// The first snapshot that fulfils a condition; nil when the stream ends before.
    mutating func first(where condition: (NetworkSnapshot) -> Bool) async throws -> NetworkSnapshot? {
        while let snapshot = try await next(isolation: nil) {
            if condition(snapshot) { return snapshot }
        }
        return nil
    }
}

/// Asks again for up to ten seconds, for what the kernel does later.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<1_000 {
        if try condition() { return true }
        usleep(10_000)
    }
    return false
}
