import KubernetesAPI
import LabAPIServer

/// A server with TLS and a few objects, and how it is reached.
struct World {
    let server: LabAPIServer
    let certificates: TestCertificates
    var connection: APIConnection

    var store: ObjectStore { server.store }

    static let objects: [JSON] =
        (1...5).flatMap { number in
            [
                ClusterObjects.service("web-\(number)", ip: "10.96.0.\(number)"),
                ClusterObjects.slice("web-\(number)-a", of: "web-\(number)", addresses: ["10.1.\(number).1"]),
                ClusterObjects.slice("web-\(number)-b", of: "web-\(number)", addresses: ["10.1.\(number).2"]),
            ]
        }

    /// Runs the body beside a server that holds the objects.
    static func with(
        objects: [JSON] = World.objects, _ change: (inout LabAPIServer.Options) -> Void = { _ in },
        _ body: (World) async throws -> Void
    ) async throws {
        let certificates = try TestCertificates()
        let own = try certificates.make("server", serial: 1, names: ["IP:127.0.0.1", "DNS:api.test"])
        var options = LabAPIServer.Options(certificate: own)
        change(&options)
        let store = ObjectStore()
        store.put(objects)
        try await LabAPIServer.with(options, store: store) { server in
            let connection = APIConnection(
                addresses: [try APIAddress(server.url)], authority: .file(certificates.authority))
            try await body(World(server: server, certificates: certificates, connection: connection))
        }
    }

    /// The first batch is there, and all is watched.
    func untilWatched(by following: Following, watches: Int = 2) async {
        await following.until { !$0.batches.isEmpty }
        await server.until { $0.watches.values.reduce(0, +) == watches }
    }
}
