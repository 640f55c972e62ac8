import BPFLoader
import CDatapath
import SystemPackage

/// What a run of connect4 costs, by the kernel's own run statistics.
package struct ProgramCosts: Codable, Sendable, Equatable {
    /// A program that does nothing: the cost of the call and of the statistics themselves.
    package let empty: ProgramCost
    /// A connect to an address that is no frontend.
    package let miss: ProgramCost
    /// Connects to one frontend.
    package let hit: ProgramCost
    /// Connects to random ones of all frontends; absent with one service.
    package let random: ProgramCost?
    /// As `hit`, while `swiftlet monitor` listens; absent where nothing can.
    package let armed: ProgramCost?
}

/// One kind of run.
package struct ProgramCost: Codable, Sendable, Equatable {
    package let runs: UInt64
    /// The median over rounds of the rounds' mean time of a run, in nanoseconds.
    package let nanoseconds: Double
    /// The same less the empty program's.
    package let net: Double

    init(runs: UInt64, means: [Double], empty: Double) {
        self.runs = runs
        nanoseconds = Statistics.median(means)
        net = nanoseconds - empty
    }
}

/// A program that does nothing on a hook of a cgroup; it goes with its owner.
struct EmptyProgram: ~Copyable {
    private let program: BPFProgram
    private let link: CgroupLink

    var id: UInt32 { program.id }

    init(on cgroup: String, hook: CgroupAttachType = .connect4) throws(BPFError) {
        let bytes = swiftlet_empty_object()
        let object = try BPFObject(
            name: "empty", bytes: UnsafeRawBufferPointer(start: bytes.start, count: bytes.size))
        let program = try object.load().program(
            named: hook == .sendMessage4 ? "swl_empty_send4" : "swl_empty4")
        let link = try CgroupLink.attach(program, to: FilePath(cgroup), as: hook)
        self.program = program
        self.link = link
    }
}

/// Counts and times the runs of one program while something else makes it run.
struct RunMeter: ~Copyable {
    private let program: BPFProgram
    private(set) var means: [Double] = []
    private(set) var runs: UInt64 = 0

    init(_ program: consuming BPFProgram) { self.program = program }

    /// Adds one round to the means. A round without a run is our own mistake in wiring.
    mutating func measure(_ body: () throws -> Void) throws {
        let before = try program.info
        try body()
        let after = try program.info
        let count = after.runCount - before.runCount
        guard count > 0 else { throw BenchmarkError("program \(program.name) did not run; is it on this cgroup?") }
        runs += count
        means.append(Double((after.runTime - before.runTime).nanoseconds) / Double(count))
    }

    func cost(net empty: Double) -> ProgramCost { ProgramCost(runs: runs, means: means, empty: empty) }
}

extension Duration {
    fileprivate var nanoseconds: Int64 {
        let parts = components
        return parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000
    }
}

/// The rounds that meter connect4, apart from those that measure latency: the statistics cost each run some time.
struct ProgramRounds {
    let connect4: UInt32
    let miss: ConnectPath
    let hit: ConnectPath
    let random: ConnectPath?
    /// Its cgroup gets the empty program.
    let empty: ConnectPath
    let rounds: Int
    let connects: Int
    /// Runs a body while something listens; false where nothing can.
    let listening: (() throws -> Void) throws -> Bool

    func run(_ loop: inout ConnectLoop, progress: (Double) -> Void) throws -> ProgramCosts {
        guard let emptyGroup = empty.cgroup else { throw BenchmarkError("the empty program needs a cgroup of its own") }
        let statistics = try RunStatistics.enable()
        let nothing = try EmptyProgram(on: emptyGroup)
        var emptyMeter = RunMeter(try BPFProgram(id: nothing.id))
        var missMeter = RunMeter(try BPFProgram(id: connect4))
        var hitMeter = RunMeter(try BPFProgram(id: connect4))
        var randomMeter = RunMeter(try BPFProgram(id: connect4))
        var armedMeter = RunMeter(try BPFProgram(id: connect4))
        var canListen = false
        for round in 0..<rounds {
            try emptyMeter.measure { _ = try loop.run(empty, count: connects) }
            try missMeter.measure { _ = try loop.run(miss, count: connects) }
            try hitMeter.measure { _ = try loop.run(hit, count: connects) }
            if let random { try randomMeter.measure { _ = try loop.run(random, count: connects) } }
            canListen = try listening { try armedMeter.measure { _ = try loop.run(hit, count: connects) } }
            progress(Double(round + 1) / Double(rounds))
        }
        _ = consume statistics
        _ = consume nothing
        let zero = emptyMeter.cost(net: 0).nanoseconds
        return ProgramCosts(
            empty: emptyMeter.cost(net: zero), miss: missMeter.cost(net: zero), hit: hitMeter.cost(net: zero),
            random: random == nil ? nil : randomMeter.cost(net: zero),
            armed: canListen ? armedMeter.cost(net: zero) : nil)
    }
}
