import NetworkLab

/// Where the benchmark measures when it is given no target: a pod, and clients with a wire to it each.
///
/// ```
/// client 1  10.244.1.2-5 ── 10.244.1.1  pod  lo 10.244.0.11 …, one listener on :8080
/// client 2  10.244.2.2-5 ── 10.244.2.1
/// ```
struct BenchmarkNetwork: ~Copyable {
    static let port: UInt16 = 8080
    /// The range of all of these addresses, as kube-proxy's --cluster-cidr.
    static let clusterRange = "10.244.0.0/16"

    let pod: NetworkNamespace
    let backends: [SocketAddress]
    private(set) var clients: [Client] = []

    /// A network namespace to connect from. A class because arrays cannot hold noncopyable values.
    final class Client: Sendable {
        let namespace: NetworkNamespace
        let sources: [SocketAddress]

        fileprivate init(number: Int, pod: borrowing NetworkNamespace) throws {
            namespace = try NetworkNamespace("client-\(number)")
            sources = (2...5).map { SocketAddress(address: [10, 244, UInt8(number), $0], port: 0) }
            try namespace.connect("eth0", to: pod, "client-\(number)")
            try pod.addAddress("10.244.\(number).1/24", to: "client-\(number)")
            for source in sources { try namespace.addAddress("\(source.host)/24", to: "eth0") }
            // Rules that rewrite a packet after routing need a route for the frontend first.
            try namespace.ip("route", "add", "default", "via", "10.244.\(number).1")
        }
    }

    init(backends count: Int) throws {
        let pod = try NetworkNamespace("bench")
        let backends = (0..<count).map {
            SocketAddress(address: [10, 244, 0, UInt8(11 + $0)], port: Self.port)
        }
        for backend in backends { try pod.addAddress("\(backend.host)/32", to: "lo") }
        self.pod = pod
        self.backends = backends
    }

    /// Adds a client with a namespace of its own.
    mutating func addClient() throws -> Client {
        let client = try Client(number: clients.count + 1, pod: pod)
        clients.append(client)
        return client
    }

    /// One listener for all backends.
    func listen() throws -> Socket {
        let any = SocketAddress(address: [0, 0, 0, 0], port: Self.port)
        return try pod.run { try Socket.bound(.tcp, to: any, nonblocking: false) }
    }
}
