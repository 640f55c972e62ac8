import ConnectBenchmark
import Glibc
import NetworkLab

/// What becomes of the daemon in a soak: it is killed, ended, started again, and started otherwise.
struct SoakDaemon {
    /// A further way to trouble a daemon is a case here, and what it does in `begin`.
    enum Disturbance: String, CaseIterable {
        /// SIGKILL at any moment.
        case killed
        /// SIGKILL in front of one of its writes to the maps, its pins or its links.
        case killedAtWrite = "killed at a write"
        /// SIGTERM.
        case ended
        /// SIGTERM, and a start with other flags.
        case reconfigured
        /// SIGTERM or SIGKILL, and a start with the other of two map layouts: every second one goes back.
        case upgraded = "started with another map layout"
    }

    /// Flags that change what is attached and how it is configured, and no answer.
    private static let configurations: [[String]] = [
        [], ["--bind-protection=false"], ["--socket-lb", "host"], ["--log-level", "debug", "--masquerade-all=true"],
        ["--external-cluster-ip=true", "--metrics-per-backend=true"],
    ]

    private enum Phase {
        case absent(startAt: UInt64)
        case running(until: UInt64)
    }

    private var random: SeededGenerator
    private var phase = Phase.absent(startAt: 0)
    private var flags: [String] = []
    private var build = SoakNode.Build.this
    /// The write at which the next or the present daemon dies.
    private var fatalWrite: Int?
    private var startedAt: UInt64 = 0
    /// Since when the present daemon follows all changes; nil while it does not.
    private(set) var readySince: UInt64?
    private(set) var disturbances: [String: Int] = [:]

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func startFirst(on node: SoakNode) throws {
        try node.start(build, flags)
        try awaitReady(on: node)
        phase = .running(until: MonotonicClock.now + 1_000_000_000)
    }

    private mutating func awaitReady(on node: SoakNode) throws {
        let deadline = MonotonicClock.now + 30_000_000_000
        while !node.isReady {
            guard node.isRunning, MonotonicClock.now < deadline else {
                throw LabError("start", "swiftlet run", cause: node.logText)
            }
            usleep(5_000)
        }
        readySince = MonotonicClock.now
    }

    /// Does what is due; returns what went wrong.
    mutating func advance(on node: SoakNode, at now: UInt64) throws -> String? {
        switch phase {
        case .absent(let start):
            if now >= start { try begin(on: node, at: now) }
        case .running(let end):
            if !node.isRunning { return try noteDeath(on: node, at: now) }
            if readySince == nil, node.isReady { readySince = now }
            if readySince == nil, now > startedAt + 30_000_000_000 {
                startedAt = now
                return "a daemon was not ready after 30 s: \(node.logText.suffix(2_000))"
            }
            if now >= end { return try disturb(node, at: now) }
        }
        return nil
    }

    private mutating func begin(on node: SoakNode, at now: UInt64) throws {
        try node.start(build, flags, dyingAtWrite: fatalWrite)
        startedAt = now
        // One in three does not live to be ready.
        let life = Int.random(in: 0..<3, using: &random) == 0 ? 5...400 : 700...2_500
        phase = .running(until: now + UInt64(Int.random(in: life, using: &random)) * 1_000_000)
    }

    /// It ended by itself: as it was meant to, or not.
    private mutating func noteDeath(on node: SoakNode, at now: UInt64) throws -> String? {
        let status = try node.end(with: SIGKILL)
        readySince = nil
        phase = .absent(startAt: now)
        if fatalWrite != nil, status == .killed(signal: SIGKILL) {
            fatalWrite = nil
            count(.killedAtWrite)
            // What it left half done is completed, or, by the other build, undone.
            if Int.random(in: 0..<3, using: &random) == 0 { changeLayout() }
            return nil
        }
        return "the daemon ended by itself (\(status.map(\.description) ?? "?")): \(node.logText.suffix(2_000))"
    }

    private mutating func disturb(_ node: SoakNode, at now: UInt64) throws -> String? {
        let wasReady = readySince != nil
        readySince = nil
        fatalWrite = nil
        // Changes happen meanwhile that no daemon sees.
        phase = .absent(startAt: now + UInt64(Int.random(in: 0...300, using: &random)) * 1_000_000)
        let disturbance = Disturbance.allCases[Int.random(in: 0..<Disturbance.allCases.count, using: &random)]
        switch disturbance {
        case .killed:
            count(.killed)
            try node.end(with: SIGKILL)
        case .killedAtWrite:
            fatalWrite = anyWrite()
            count(.killed)
            try node.end(with: SIGKILL)
        case .upgraded where Bool.random(using: &random):
            changeLayout()
            fatalWrite = Bool.random(using: &random) ? anyWrite() : nil
            try node.end(with: SIGKILL)
        case .ended, .reconfigured, .upgraded:
            if disturbance == .reconfigured {
                flags = Self.configurations[Int.random(in: Self.configurations.indices, using: &random)]
            }
            if disturbance == .upgraded { changeLayout() } else { count(disturbance) }
            let status = try node.end(with: SIGTERM)
            if wasReady, status != .exited(0) {
                let how = status.map(\.description) ?? "nothing"
                return "SIGTERM ended the daemon with \(how): \(node.logText.suffix(2_000))"
            }
        }
        return nil
    }

    private mutating func changeLayout() {
        build = build.opposite
        count(.upgraded)
    }

    /// Some tens of writes are the start; the later ones are changes.
    private mutating func anyWrite() -> Int {
        Int.random(in: 1...(Bool.random(using: &random) ? 40 : 160), using: &random)
    }

    private mutating func count(_ disturbance: Disturbance) { disturbances[disturbance.rawValue, default: 0] += 1 }

    /// One of this build that runs, is ready and will not die.
    mutating func endWatch(on node: SoakNode) throws -> String? {
        if fatalWrite != nil || build != .this || !node.isRunning {
            try node.end(with: SIGKILL)
            (fatalWrite, build) = (nil, .this)
            readySince = nil
            try node.start(build, flags)
        }
        do {
            if readySince == nil { try awaitReady(on: node) }
            return nil
        } catch {
            return "the last daemon: \(error)"
        }
    }
}
