import BPFLoader
import NetworkLab

/// What one run of sendmsg4 costs an unconnected UDP socket, by the kernel's own statistics.
package struct DatagramResult: Codable, Sendable, Equatable {
    package let services: Int
    /// How many VIPs the socket of `many` speaks to, in turn.
    package let vips: Int
    /// A program that does nothing.
    package let empty: ProgramCost
    /// Datagrams to an address that is no frontend.
    package let miss: ProgramCost
    /// To the one VIP that the socket speaks to.
    package let one: ProgramCost
    package let many: ProgramCost

    package var text: String {
        var parts = ["one VIP \(Format.nanoseconds(one.net))"]
        if vips > 1 { parts.append("\(vips) VIPs on the socket \(Format.nanoseconds(many.net))") }
        parts.append("miss \(Format.nanoseconds(miss.net))")
        return "\(services) service\(services == 1 ? "" : "s"); one run of sendmsg4: " + parts.joined(separator: ", ")
            + " (net of an empty program's \(Format.nanoseconds(empty.nanoseconds)))"
    }
}

/// Datagrams of unconnected sockets, to VIPs and straight to a backend, in the same rounds of the same process.
package struct DatagramBenchmark {
    private static let mostVIPs = 64
    private let options: BenchmarkOptions
    private let progress: (BenchmarkProgress) -> Void

    /// - Parameter options: `connects` are the datagrams of a round; what is beside is not measured.
    package init(_ options: BenchmarkOptions, progress: @escaping (BenchmarkProgress) -> Void = { _ in }) {
        self.options = options
        self.progress = progress
    }

    /// Measures in network namespaces and a cgroup of its own.
    package func run(_ datapath: any BenchmarkDatapath) throws -> DatagramResult {
        try Interruption.catchSignals {
            var network = try BenchmarkNetwork(backends: options.backends)
            let client = try network.addClient()
            let visit = try CgroupVisit()
            let frontends = try datapath.program(services: options.services, backends: network.backends, .udp)
            let count = min(Self.mostVIPs, frontends.count)
            // From all of the table, as a program's names lead anywhere in it.
            let vips = (0..<count).map { frontends[$0 * frontends.count / count] }
            let backend = network.backends[0]
            return try LabThread.run {
                LabThread.stayOnProcessor()
                let group = try Cgroup("bench-empty", below: visit.home)
                try LabThread.enterNamespace(client.namespace.path)
                return try measure(vips, backend, datapath, emptyGroup: group.path)
            }
        }
    }

    private func measure(
        _ vips: [SocketAddress], _ backend: SocketAddress, _ datapath: any BenchmarkDatapath, emptyGroup: String
    ) throws -> DatagramResult {
        let statistics = try RunStatistics.enable()
        let nothing = try EmptyProgram(on: emptyGroup, hook: .sendMessage4)
        try Cgroup.enter(emptyGroup)
        let empty = try Sender(to: [backend])
        try Cgroup.enter(datapath.cgroup)
        let (miss, one, many) = (
            try Sender(to: [backend]), try Sender(to: [vips[vips.count / 2]]), try Sender(to: vips)
        )
        var emptyMeter = RunMeter(try BPFProgram(id: nothing.id))
        var missMeter = RunMeter(try BPFProgram(id: datapath.sendmsg4))
        var oneMeter = RunMeter(try BPFProgram(id: datapath.sendmsg4))
        var manyMeter = RunMeter(try BPFProgram(id: datapath.sendmsg4))
        // The first datagram to a VIP chooses a backend; what is measured are the others.
        for sender in [one, many] { try sender.send(vips.count) }
        for round in 0..<options.rounds {
            if Interruption.isRequested { throw BenchmarkError.interrupted }
            try emptyMeter.measure { try empty.send(options.connects) }
            try missMeter.measure { try miss.send(options.connects) }
            try oneMeter.measure { try one.send(options.connects) }
            try manyMeter.measure { try many.send(options.connects) }
            progress(
                BenchmarkProgress(phase: "metering sendmsg4", share: Double(round + 1) / Double(options.rounds)))
        }
        _ = consume statistics
        _ = consume nothing
        let zero = emptyMeter.cost(net: 0).nanoseconds
        return DatagramResult(
            services: options.services, vips: vips.count, empty: emptyMeter.cost(net: zero),
            miss: missMeter.cost(net: zero), one: oneMeter.cost(net: zero), many: manyMeter.cost(net: zero))
    }
}

/// One unconnected socket, and whom it speaks to.
private final class Sender {
    private let socket: Socket
    private let destinations: [SocketAddress]
    private var turn = 0

    init(to destinations: [SocketAddress]) throws {
        socket = try Socket(.udp, v4: true)
        self.destinations = destinations
    }

    func send(_ count: Int) throws {
        for _ in 0..<count {
            turn += 1
            try socket.send([0], to: destinations[turn % destinations.count])
        }
    }
}
