import Foundation
import NetworkLab
import Testing

@Suite(
    "explain", .tags(.endToEnd), .endToEnd, .serialized,
    .node(pods: 1, manifests: ["web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty]))
struct ExplainTests {
    private struct Answer: Decodable {
        struct Step: Decodable { var text: String }
        struct Verdict: Decodable { var code: String }
        var schema: Int
        var works: Bool
        var steps: [Step]
        var verdict: Verdict
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

    @Test("a client outside the served cgroup is told so")
    func outsideCgroup() throws {
        // This process is in no cgroup below the node's.
        let (status, answer) = try explain("web", "--pid", "\(getpid())")
        #expect(status == .exited(4))
        #expect(answer.verdict.code == "clientOutsideCgroup")
    }
}
