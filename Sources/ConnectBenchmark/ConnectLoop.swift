import Glibc
import NetworkLab

/// Makes connects and times each: the inner loop of every measurement.
///
/// Runs on a `LabThread` that ends afterwards, because it moves between namespaces. Only connect(2) is timed; making
/// the socket and closing it are not. Sockets are closed by RST: no port stays in TIME_WAIT.
package struct ConnectLoop: ~Copyable {
    private var acceptor: Acceptor?
    private var generator: SeededGenerator
    private var turn = 0

    /// - Parameter acceptor: the other end, if it is ours.
    package init(acceptor: consuming Acceptor?, seed: UInt64) {
        self.acceptor = acceptor
        generator = SeededGenerator(seed: seed)
    }

    /// Connects `count` times; returns nanoseconds.
    mutating func run(_ path: ConnectPath, count: Int) throws -> [UInt32] {
        if let namespace = path.namespace { try LabThread.enterNamespace(namespace) }
        // A socket belongs for life to the cgroup that its process is in when it is made.
        if let cgroup = path.cgroup { try Cgroup.enter(cgroup) }
        let destinations = path.destinations.map { Destination($0) }
        var samples: [UInt32] = []
        samples.reserveCapacity(count)
        for _ in 0..<count {
            if Interruption.isRequested { throw BenchmarkError.interrupted }
            turn += 1
            let source = path.sources.isEmpty ? nil : path.sources[turn % path.sources.count]
            let choice = Int.random(in: 0..<destinations.count, using: &generator)
            samples.append(try connect(from: source, to: destinations[choice], path))
            acceptor?.settle()
        }
        return samples
    }

    private func connect(
        from source: SocketAddress?, to destination: Destination, _ path: ConnectPath
    ) throws -> UInt32 {
        let socket = try Socket(.tcp, v4: destination.address.isV4)
        try socket.resetOnClose()
        try socket.setTimeout(milliseconds: 5_000)
        if let source { try socket.bindSource(source) }
        let (status, elapsed) = destination.withPointer { pointer in
            let start = MonotonicClock.now
            let status = Glibc.connect(socket.rawValue, pointer, destination.length)
            return (status, MonotonicClock.now - start)
        }
        guard status == 0 else {
            let failure = SocketError("connect", errno == EINPROGRESS ? ETIMEDOUT : errno)
            if Interruption.isRequested { throw BenchmarkError.interrupted }
            throw BenchmarkError("cannot connect to \(destination.address) (\(path.kind.rawValue)): \(failure.name)")
        }
        return UInt32(clamping: elapsed)
    }
}

/// A destination in the kernel's form, made before the clock runs.
private struct Destination {
    let address: SocketAddress
    let length: socklen_t
    private let storage: sockaddr_storage

    init(_ address: SocketAddress) {
        self.address = address
        storage = address.storage
        length = address.storageLength
    }

    func withPointer<Value>(_ body: (UnsafePointer<sockaddr>) -> Value) -> Value {
        withUnsafePointer(to: storage) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body) }
    }
}
