import Foundation
import NetworkLab
import Testing

@Suite(
    "explain", .tags(.endToEnd), .endToEnd, .serialized,
    .node(
        pods: 1,
        manifests: [
            "web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty,
            "pending.yaml": Manifest.file(
                Manifest.service("pending", ["10.96.0.40"], spec: "selector: {app: pending}"),
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: pending-1, labels: {app: pending}}
                spec: {containers: [{name: main}]}
                status: {phase: Pending}
                """),
        ]))
struct ExplainTests {
    private struct Answer: Decodable {
        struct Step: Decodable { var text: String }
        struct Verdict: Decodable {
            var code: String
            var text: String
        }
        var schema: Int
        var works: Bool
        var steps: [Step]
        var verdict: Verdict
        var unseen: [String]
    }

    private func explain(_ arguments: String...) throws -> (status: ChildProcess.Status, answer: Answer) {
        let node = try TestNode.current
        let command = [Programs.swiftlet, "explain"] + arguments + ["-o", "json", "--bpf-root", node.bpfRoot]
        let outcome = try Programs.run(command, in: node.lab.node.path)
        return (outcome.status, try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8)))
    }

    @Test("a Service that works: the maps agree, exit code 0")
    func works() throws {
        let (status, answer) = try explain("web")
        #expect(status == .exited(0))
        #expect(answer.works && answer.schema == 1)
        #expect(answer.steps.contains { $0.text.hasPrefix("the kernel's maps agree: frontend ") })
    }

    @Test("a Service without endpoints: exit code 4")
    func empty() throws {
        let (status, answer) = try explain("empty")
        #expect(status == .exited(4))
        #expect(!answer.works)
    }

    @Test(
        "a Service of pods that are not usable has one reason, in explain and in services",
        arguments: ["pending", "--broken"])
    func sameReason(word: String) throws {
        let node = try TestNode.current
        let verdict = try explain("pending").answer.verdict
        let report: ServicesReport = try Programs.decode(
            from: [Programs.swiftlet, "services", word, "-o", "json", "--bpf-root", node.bpfRoot],
            in: node.lab.node.path)
        let port = try #require(report["pending"]?.ports.first)
        #expect(verdict.code == "podPending" && verdict.text.contains("pending-1 (Pending)"))
        #expect(port.reason == verdict.text && port.reasonCode == verdict.code)
    }

    @Test("an address alone is followed, and what --connect does not ask is told")
    func address() throws {
        let (status, answer) = try explain("10.96.0.15")
        #expect(status == .exited(0) && answer.steps[0].text.contains("is the ClusterIP of default/web"))
        #expect(try explain("10.96.0.15:nothing").answer.verdict.code == "portNotServed")
        let (_, udp) = try explain("10.96.0.15:53", "--udp", "--connect")
        #expect(udp.unseen == ["--connect asks by TCP only: no endpoint was asked by UDP"])
    }

    @Test("a client outside the served cgroup is told so")
    func outsideCgroup() throws {
        // This process is in no cgroup below the node's.
        let (status, answer) = try explain("web", "--pid", "\(getpid())")
        #expect(status == .exited(4))
        #expect(answer.verdict.code == "clientOutsideCgroup")
    }
}
