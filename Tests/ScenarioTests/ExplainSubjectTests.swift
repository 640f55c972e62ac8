import Reporting
import ServiceModel
import Testing

@Suite("what explain is asked about")
struct ExplainSubjectTests {
    @Test(
        "a name of DNS stands for its Service",
        arguments: [
            ("my-api.default.svc.cluster.local", nil), ("My-API.default.svc.cluster.local.", nil),
            ("my-api.default.svc:http", "http"), ("db-0.my-api.default.svc.cluster.local:8080", "8080"),
            ("_http._tcp.my-api.default.svc.cluster.local", "http"),
        ] as [(String, String?)])
    func names(text: String, port: String?) {
        #expect(ExplainQuestion.Subject(text) == .service(namespace: "default", name: "my-api", port: port))
    }

    @Test("a Service or a namespace may be called svc")
    func namedLikeTheDomain() {
        let subject = ExplainQuestion.Subject("svc.default.svc.cluster.local")
        #expect(subject == .service(namespace: "default", name: "svc", port: nil))
        #expect(ExplainQuestion.Subject("web.svc.svc") == .service(namespace: "svc", name: "web", port: nil))
    }

    @Test("other names are Services' own", arguments: ["my-api", "svc", "my-api.default", "a.b.c.d.svc"])
    func others(text: String) {
        #expect(ExplainQuestion.Subject(text) == .service(namespace: nil, name: text, port: nil))
    }
}
