import ManifestDirectory
import Reporting
import ServiceModel
import TestKit
import Testing

@Suite("what explain says beside the way")
struct ExplainRemarkTests {
    private func explain(_ subject: String, _ files: [String: String]) throws -> Explanation {
        let directory = try TemporaryDirectory()
        for (name, text) in files { try directory.write(text, to: name) }
        let explainer = Explainer(
            view: ManifestLoader.view(of: [directory.path]), settings: CompileSettings(nodeName: "node-a"))
        return explainer.explain(ExplainQuestion(try #require(ExplainQuestion.Subject(subject))))
    }

    private static func service(_ spec: String = "", _ metadata: String = "") -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: web\(metadata)}
        spec: {clusterIP: 10.96.0.15, ports: [{port: 80}]\(spec)}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
        addressType: IPv4
        ports: [{port: 8080}]
        endpoints: [{addresses: [10.244.0.11]}]

        """
    }

    @Test("a word that only who writes slices reads is told, and takes nothing away")
    func topologyWords() throws {
        let distribution = try explain("web", ["a.yaml": Self.service(", trafficDistribution: PreferCloze")])
        #expect(distribution.works)
        #expect(distribution.steps.contains { $0.text.contains("spec.trafficDistribution is PreferCloze") })
        let mode = ", annotations: {service.kubernetes.io/topology-mode: auot}"
        let annotation = try explain("web", ["a.yaml": Self.service("", mode)])
        #expect(annotation.steps.contains { $0.text.contains("topology-mode] is auot") })
    }

    @Test("a Service that stands twice in the manifests is told, where the other one does not count")
    func twice() throws {
        let explanation = try explain("web", ["a.yaml": Self.service(), "b.yaml": Self.service(", type: ClusterIP")])
        #expect(explanation.works)
        #expect(explanation.steps.contains { $0.text.contains("b.yaml") && $0.text.contains("defines it already") })
    }

    @Test("of several Services of one name the one that is meant is told")
    func choice() throws {
        let other = Self.service().replacing("name: web}", with: "name: web, namespace: prod}")
            .replacing("10.96.0.15", with: "10.96.0.16")
        let files = ["a.yaml": Self.service(), "b.yaml": other]
        let text = try explain("web", files).steps.first?.text
        #expect(text == "web is taken for default/web; there is also prod/web")
        #expect(try explain("prod/web", files).steps.first?.text.contains("is the ClusterIP of prod/web") == true)
    }

    @Test("a directory of which no file is read is named", arguments: [["web.txt": "kind: Service"], [:]])
    func nothingRead(files: [String: String]) throws {
        for subject in ["web", "10.96.0.15:80"] {
            let verdict = try explain(subject, files).verdict
            #expect(verdict.text.contains("no file below it ends in .yaml, .yml or .json"), "\(verdict)")
        }
    }
}
