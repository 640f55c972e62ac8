import ArgumentParser
import Glibc
import NetworkLab
import Synchronization

struct Soak: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Call Services all the time while they change and the daemon dies; each answer is checked.",
        discussion: """
            On a node of its own, with eight pods, whose Services and endpoints change all the time: connects and datagrams
            to every kind of frontend, from sockets of the node and, through tc, from outside; long-lived TCP and UDP flows;
            and a daemon that is killed at random moments and in front of random writes to the maps, ended, started again,
            with other flags, and with another version of the map layout: forth and back.

            An answer is right if the pod that gave it was in the set at some moment of the call: a set begins when its
            manifest is written, and ends when all frontends in the maps have the next one. The same holds for refusals of a
            Service without endpoints, and for one that is not there. A change has to be in the maps in the time that
            --within says, while a daemon runs.

            Beside that go bystanders, of which none may fail: connects of the node to endpoints, as the kubelet probes and
            from ports that flows have; connects to ClusterIPs that stay; clients that use a NodePort and, from the same port,
            the endpoint itself; connections that stay, to a listener of the node and to endpoints; and idle ones.

            Exit code 1 when anything failed: an answer, a flow, a change that came late, a daemon that ended by itself, a
            counter that must be 0, or fewer connects a second than --at-least.

              swiftlet-lab soak --seconds 600
              swiftlet-lab soak --swiftlet ./old/swiftlet --swiftlet ./new/swiftlet    (they take turns)
            """)

    @Option(help: "The program to test; several take turns, one at each start.")
    var swiftlet: [String] = ["build/swiftlet"]

    @Option(help: "Directory with the programs of another map layout, which `make bpf` makes.")
    var otherObjects = "build/bpf/other"

    @Option(help: "How long.")
    var seconds = 180

    @Option(help: "Connects a second, half of them from outside the node.")
    var rate = 2_400

    @Option(help: "Connects a second of bystanders, half of them from outside the node.")
    var bystanders = 600

    @Option(help: "Fail with fewer connects a second.")
    var atLeast = 0

    @Option(help: "Long-lived flows of TCP, and as many of UDP; half of them from outside.")
    var flows = 1_000

    @Option(help: "Milliseconds between two exchanges on a flow.")
    var every = 5_000

    @Option(help: "Milliseconds between two changes.")
    var pause = 50

    @Option(help: "Milliseconds in which a change must be in the maps.")
    var within = 3_000

    @Option(help: "Same number, same changes and disturbances.")
    var seed = UInt64.random(in: 1...999_999)

    func validate() throws {
        if seconds < 1 || min(rate, bystanders) < 2 || flows < 0 || pause < 1 {
            throw ValidationError("numbers must be > 0")
        }
        for file in ["sock.bpf.o", "tc.bpf.o"] where access("\(otherObjects)/\(file)", R_OK) != 0 {
            throw ValidationError(
                "cannot read \(otherObjects)/\(file): \(ErrnoName.name(of: errno)); run make bpf, or set --other-objects"
            )
        }
    }

    func run() throws {
        let signals = Interruption.catchSignals()
        defer { withExtendedLifetime(signals) {} }
        Output.line("seed \(seed)")
        let run = try SoakRun(self)
        let report = try run.run()
        Output.line(report.text)
        if report.judge.failureCount > 0 { throw ExitCode.failure }
    }
}
