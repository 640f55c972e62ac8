import BPFLoader
import Glibc
import NetworkLab
import Testing

@testable import ConnectBenchmark

/// What these tests need of the machine.
private enum Privileges {
    /// With SWIFTLET_REQUIRE_KERNEL=1, as in CI, what cannot run must fail instead of being skipped.
    private static let isRequired = getenv("SWIFTLET_REQUIRE_KERNEL").map { String(cString: $0) } == "1"

    static let canMakeNamespaces = isRequired || (try? NetworkNamespace("probe")) != nil
    static let hasFilters =
        isRequired || RuleSet.allCases.allSatisfy { (try? Command.run([$0.loader[0], "--version"])) != nil }
    static let canAttach = isRequired || canMakeNamespaces && (try? NothingDatapath()) != nil
}

/// A datapath that passes everything: its frontends are the backends themselves.
private final class NothingDatapath: BenchmarkDatapath {
    private let group: Cgroup
    private let empty: EmptyProgram
    private let emptySend: EmptyProgram

    init() throws {
        let group = try Cgroup("bench-test")
        empty = try EmptyProgram(on: group.path)
        emptySend = try EmptyProgram(on: group.path, hook: .sendMessage4)
        self.group = group
    }

    var cgroup: String { group.path }
    var connect4: UInt32 { empty.id }
    var sendmsg4: UInt32 { emptySend.id }

    func program(services: Int, backends: [SocketAddress], _ kind: Socket.Kind) throws -> [SocketAddress] {
        (0..<services).map { backends[$0 % backends.count] }
    }
}

@Suite("Measured runs", .serialized, .enabled(if: Privileges.canMakeNamespaces, "needs root for network namespaces"))
struct MeasuredRunTests {
    private var options: BenchmarkOptions {
        var options = BenchmarkOptions()
        options.rounds = 12
        options.connects = 40
        return options
    }

    @Test("without a datapath: direct connects against direct connects")
    func directOnly() throws {
        let result = try ConnectBenchmark(options).run(nil).result
        #expect(result.direct.connects == 480)
        #expect(result.vip == nil && result.ratio == nil && result.programs == nil)
        // Equal things: a loose bound, because the machine may be busy.
        #expect((0.5...2).contains(result.control.p50))
        #expect(result.direct.p50 > 1_000)
    }

    @Test("rules that nft and iptables accept", .enabled(if: Privileges.hasFilters, "needs nft and iptables-restore"))
    func filters() throws {
        var options = options
        options.services = 20
        options.against = RuleSet.allCases
        let result = try ConnectBenchmark(options).run(nil).result
        #expect(Set(result.against.keys) == ["nftables", "iptables"])
        for (_, compared) in result.against { #expect(compared.latency.connects == 480) }
    }

    @Test(
        "an empty datapath is metered and costs nothing net", .enabled(if: Privileges.canAttach, "needs CAP_BPF"))
    func emptyDatapath() throws {
        var options = options
        options.services = 3
        let report = try ConnectBenchmark(options).run(try NothingDatapath())
        let result = report.result
        let programs = try #require(result.programs)
        #expect(programs.hit.runs == 160 && programs.miss.runs == 160 && programs.random?.runs == 160)
        #expect(abs(programs.hit.net) < 200)
        #expect(result.vip != nil && result.random != nil && result.unhooked != nil)
        #expect(try Cgroup.current() == Cgroup.root() || !Cgroup.current().contains("bench-"))
        #expect(try result.json().contains("\"p50_low\""))
    }

    @Test("a frontend that refuses is named with its error")
    func refused() throws {
        let closed = SocketAddress(address: [127, 0, 0, 1], port: 1)
        let target = BenchmarkTarget(frontends: [closed], backends: [closed])
        #expect(throws: BenchmarkError("cannot connect to 127.0.0.1:1 (direct): ECONNREFUSED")) {
            try ConnectBenchmark(options).run(target)
        }
    }

    @Test("programs that do nothing cost nothing beside one that does nothing", .enabled(if: Privileges.canAttach))
    func datagrams() throws {
        var options = options
        options.services = 100
        let result = try DatagramBenchmark(options).run(try NothingDatapath())
        for cost in [result.miss, result.one, result.many] {
            #expect(cost.runs == 12 * 40)
            // A loose bound, because the machine may be busy.
            #expect(abs(cost.net) < 200)
        }
        #expect(result.vips == 64 && result.empty.net == 0)
        #expect(result.text.contains("one run of sendmsg4: one VIP "), "\(result.text)")
    }
}
