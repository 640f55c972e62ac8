import Glibc
import NetworkLab
import TestKit
import Testing

@testable import swiftlet_lab

/// What a soak takes for right, and what it takes for wrong.
@Suite("the judge of a soak")
struct SoakJudgeTests {
    private static let service = SoakService.all[12]
    private static let frontend = "10.96.1.22:80"

    private func record(
        _ result: String, _ backend: String = "-", at times: ClosedRange<UInt64>, target: String = frontend,
        act: ClientRecord.Act = .connect, udp: Bool = false, from local: String = "-"
    ) -> ClientRecord {
        ClientRecord(
            act: act, flow: act == .connect ? 0 : 1, isUDP: udp, target: target, start: times.lowerBound,
            end: times.upperBound, result: result, backend: backend, local: local)
    }

    /// Pods 1 and 2 from 100 on, which the maps show at 120; pod 3 from 200 on, which they show at 250.
    private func judge() -> SoakJudge {
        var judge = SoakJudge(SoakService.all, at: 0)
        let (first, second) = (ServiceHistory.State.serving([1, 2]), ServiceHistory.State.serving([3]))
        judge.want(first, of: 12, at: 100)
        judge.saw(.init(state: first, isClean: true), of: 12, at: 120)
        judge.want(second, of: 12, at: 200)
        judge.saw(.init(state: second, isClean: false), of: 12, at: 250)
        judge.saw(.init(state: second, isClean: true), of: 12, at: 300)
        return judge
    }

    @Test(
        "an answer is right while its pod may be met, and only so long",
        arguments: [
            (1, 130...140 as ClosedRange<UInt64>, true), (3, 130...140, false), (3, 130...200, true),
            (1, 210...220, true), (3, 210...220, true), (1, 240...260, true), (1, 251...260, false),
            (3, 251...260, true), (8, 90...99, true), (8, 90...300, true), (8, 121...300, false),
        ])
    func windows(pod: Int, times: ClosedRange<UInt64>, isRight: Bool) {
        var judge = judge()
        judge.judge(record("ok", "pod-\(pod):9012", at: times), from: .node)
        #expect((judge.failureCount == 0) == isRight, "\(judge.failures)")
    }

    @Test("another Service's pod, an error, and an address of nobody are wrong")
    func wrong() {
        for (result, backend, target) in [
            ("ok", "pod-1:9013", Self.frontend), ("ECONNREFUSED", "-", Self.frontend),
            ("ETIMEDOUT", "-", Self.frontend),
            ("ok", "pod-1:9012", "10.96.9.9:80"),
        ] {
            var judge = judge()
            judge.judge(record(result, backend, at: 130...140, target: target), from: .node)
            #expect(judge.failureCount == 1)
        }
    }

    @Test("a refusal is right only without endpoints, no route only without a Service")
    func refusals() {
        var judge = judge()
        judge.want(.serving([]), of: 12, at: 400)
        judge.saw(.init(state: .serving([]), isClean: true), of: 12, at: 410)
        judge.judge(record("ECONNREFUSED", at: 420...430), from: .node)
        judge.want(.absent, of: 12, at: 500)
        judge.saw(.init(state: .absent, isClean: true), of: 12, at: 510)
        judge.judge(record("ENETUNREACH", at: 520...530), from: .node)
        #expect(judge.failureCount == 0)
        judge.judge(record("ENETUNREACH", at: 420...430), from: .node)
        judge.judge(record("ECONNREFUSED", at: 520...530), from: .node)
        #expect(judge.failureCount == 2)
    }

    @Test("a UDP socket is destroyed rightly while a pod leaves the set, and only on the node")
    func destroyed() {
        let udp = "10.96.1.22:53"
        for (time, place, failures) in [
            (190...230 as ClosedRange<UInt64>, SoakJudge.Place.node, 0), (130...131, .node, 1),
            (190...230, .outside, 1),
        ] {
            var judge = judge()
            judge.judge(record("ECONNABORTED", at: time, target: udp, act: .connect, udp: true), from: place)
            #expect(judge.failureCount == failures, "\(time) \(place)")
        }
        var judge = judge()
        judge.judge(record("ECONNABORTED", at: 190...230, act: .connect), from: .node)
        #expect(judge.failureCount == 1, "TCP connections go on")
    }

    @Test("a UDP flow stays with its pod while that is in the set; a TCP flow stays whatever happens")
    func flows() {
        var judge = judge()
        let udp = "10.96.1.22:53"
        judge.judge(record("ok", "pod-1:9012", at: 130...131, target: udp, act: .open, udp: true), from: .node)
        judge.judge(record("ok", "pod-3:9012", at: 260...261, target: udp, act: .exchange, udp: true), from: .node)
        judge.judge(record("ok", "pod-1:9012", at: 130...131, act: .open), from: .node)
        judge.judge(record("ok", "pod-1:9012", at: 460...461, act: .exchange), from: .node)
        #expect(judge.failureCount == 0, "\(judge.failures)")
        #expect(judge.flows[.node]?["UDP"]?.moves == 1)

        var moved = self.judge()
        moved.judge(record("ok", "pod-1:9012", at: 130...131, target: udp, act: .open, udp: true), from: .node)
        moved.judge(record("ok", "pod-2:9012", at: 140...141, target: udp, act: .exchange, udp: true), from: .node)
        #expect(moved.failureCount == 1)
        // Both packets and a socket that went unnoticed go on to a backend until it leaves the maps, and no longer.
        for place in [SoakJudge.Place.outside, .node] {
            for (times, failures) in [(260...261 as ClosedRange<UInt64>, 0), (310...320, 1)] {
                var judge = self.judge()
                judge.judge(record("ok", "pod-1:9012", at: 130...131, target: udp, act: .open, udp: true), from: place)
                judge.judge(record("ok", "pod-1:9012", at: times, target: udp, act: .exchange, udp: true), from: place)
                #expect(judge.failureCount == failures, "\(place) \(times)")
            }
        }
    }

    @Test("a new socket outside with the port of one before it goes on with that one's backend; others do not")
    func sharedPorts() {
        let udp = "10.96.1.22:53", port = "192.0.2.1:40000"
        for (place, next, failures) in [
            (SoakJudge.Place.outside, port, 0), (.outside, "192.0.2.1:40001", 1), (.node, port, 1),
        ] {
            var judge = judge()
            judge.judge(record("ok", "pod-1:9012", at: 130...131, target: udp, udp: true, from: port), from: place)
            judge.judge(record("ok", "pod-1:9012", at: 260...261, target: udp, udp: true, from: next), from: place)
            #expect(judge.failureCount == failures, "\(place) \(next)")
        }
    }

    @Test("a bystander fails for no reason at all")
    func bystanders() {
        var judge = judge()
        judge.judge(BystanderRecord(kind: .probe, connects: 20))
        judge.judge(BystanderRecord(kind: .held, exchanges: 3))
        #expect(judge.failureCount == 0)
        judge.judge(BystanderRecord(kind: .probe, connects: 1, failure: "ETIMEDOUT at connect"))
        #expect(judge.failureCount == 1)
        #expect(judge.bystanders[.probe] == BystanderTally(connects: 21, failed: 1))
        #expect(SoakReport(seed: 1, judge: judge).text.contains("bystanders: 21 connects, 3 exchanges, 1 failed"))
    }

    @Test("a line says what the record says")
    func lines() {
        let record = record("ok", "pod-1:9012", at: 130...140, act: .exchange, udp: true)
        #expect(ClientRecord(line: record.line) == record)
        #expect(ClientRecord(line: "exchange 1 udp") == nil)
        for failure in [nil, "ETIMEDOUT at connect of 10.244.0.11:9000"] {
            let told = BystanderRecord(kind: .straight, connects: 3, exchanges: 1, failure: failure)
            #expect(BystanderRecord(line: told.line) == told)
        }
        #expect(BystanderRecord(line: record.line) == nil)
    }
}

@Suite("soak", .tags(.endToEnd), .endToEnd, .serialized)
struct SoakTests {
    @Test("a program dies in front of the write that is named, and of no other")
    func killedAtWrite() throws {
        let pin = "/sys/fs/bpf/swl-\(getpid())-write"
        let create = [
            "bpftool", "map", "create", pin, "type", "hash", "key", "4", "value", "4", "entries", "1", "name", "m",
        ]
        func run(_ write: Int, _ command: [String]) throws -> ChildProcess.Status {
            try Programs.run([Programs.lab, "kill-at-write", "\(write)", "--"] + command).status
        }
        defer { unlink(pin) }
        #expect(try run(1, create) == .killed(signal: SIGKILL))
        #expect(access(pin, F_OK) != 0)
        #expect(try run(2, create) == .exited(0))
        #expect(access(pin, F_OK) == 0)
        #expect(
            try run(
                1, ["bpftool", "map", "update", "pinned", pin, "key", "1", "0", "0", "0", "value", "1", "0", "0", "0"])
                == .killed(signal: SIGKILL))
        #expect(try Programs.run(["bpftool", "-j", "map", "dump", "pinned", pin]).output.hasPrefix("[]"))
    }

    @Test("some seconds of everything at once: nothing fails, and nothing is left")
    func soaks() throws {
        let outcome = try Programs.run([
            Programs.lab, "soak", "--swiftlet", Programs.swiftlet, "--seconds", "6", "--rate", "600", "--flows", "60",
            "--every", "1000", "--at-least", "50", "--bystanders", "200",
        ])
        #expect(outcome.status == .exited(0), "\(outcome.output)")
        #expect(outcome.output.contains("passed"))
        #expect(outcome.output.contains(/bystanders: [1-9][0-9]+ connects, [1-9][0-9]* exchanges, 0 failed/))
    }
}
