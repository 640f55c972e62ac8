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
            ("_http._tcp.my-api.default.svc.cluster.local", "http"), ("my-api.default", nil),
            ("my-api.default:http", "http"),
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

    @Test(
        "an address stands for the Service whose it is, alone or with a port's name",
        arguments: [
            ("10.96.0.15", "10.96.0.15", nil), ("fd00::15", "fd00::15", nil), ("[fd00::15]", "fd00::15", nil),
            ("10.96.0.15:http", "10.96.0.15", "http"), ("[fd00::15]:http", "fd00::15", "http"),
            ("10.96.0.15:99999", "10.96.0.15", "99999"),
        ] as [(String, String, String?)])
    func addresses(text: String, address: String, port: String?) {
        #expect(ExplainQuestion.Subject(text) == .service(namespace: nil, name: address, port: port))
    }

    @Test(
        "a protocol behind the port is told apart from what is asked",
        arguments: [
            ("10.96.0.10:53/UDP", "10.96.0.10:53", .udp), ("[fd00::10]:53/tcp", "[fd00::10]:53", .tcp),
            ("default/dns:dns/sctp", "default/dns:dns", .sctp), ("default/tcp", "default/tcp", nil),
            ("http://my-api:80/udp", "http://my-api:80/udp", nil), ("default/web:80", "default/web:80", nil),
        ] as [(String, String, IPProtocol?)])
    func protocols(text: String, own: String, proto: IPProtocol?) {
        #expect(ExplainQuestion.Subject.parted(text) == (own, proto))
    }

    @Test(
        "zones, and ports that are none, are complained about",
        arguments: [
            ("[fd96::1%eth0]:80", "a zone (%eth0) cannot be used"), ("fe80::1%eth0", "a zone (%eth0) cannot be used"),
            ("10.96.13.1:", "write a port behind the colon"), ("my-api:/TCP", "write a port behind the colon"),
            ("10.96.13.1:65536", "65536 is no port"), ("my-api:0", "0 is no port"),
            ("fd00::", nil), ("[fd00::1]", nil), ("10.96.13.1:80/UDP", nil), ("my-api:http", nil),
        ] as [(String, String?)])
    func complaints(text: String, said: String?) {
        let complaint = ExplainQuestion.Subject.complaint(about: text)
        #expect(said.map { complaint?.contains($0) == true } ?? (complaint == nil), "\(complaint ?? "nothing")")
    }

    @Test("a URL stands for what it asks")
    func urls() throws {
        let address = try #require(IPAddress("10.96.0.15"))
        #expect(ExplainQuestion.Subject("http://10.96.0.15:80/path?query") == .address(address, try #require(Port(80))))
        #expect(ExplainQuestion.Subject("https://10.96.0.15/") == .address(address, try #require(Port(443))))
        #expect(ExplainQuestion.Subject("https://my-api/") == .service(namespace: nil, name: "my-api", port: "443"))
        #expect(ExplainQuestion.Subject("HTTP://my-api") == .service(namespace: nil, name: "my-api", port: "80"))
        #expect(ExplainQuestion.Subject("http://my-api:81") == .service(namespace: nil, name: "my-api", port: "81"))
        #expect(ExplainQuestion.Subject("grpc://my-api") == .service(namespace: nil, name: "my-api", port: nil))
    }

    @Test("a kind stands in front as kubectl takes it", arguments: ["svc/my-api", "service/my-api", "services/my-api"])
    func kinds(text: String) {
        #expect(ExplainQuestion.Subject(text) == .service(namespace: nil, name: "my-api", port: nil))
        #expect(
            ExplainQuestion.Subject(text, namespace: "prod") == .service(namespace: "prod", name: "my-api", port: nil))
    }

    @Test("other names are Services' own", arguments: ["my-api", "svc", "a.b.c.d.svc"])
    func others(text: String) {
        #expect(ExplainQuestion.Subject(text) == .service(namespace: nil, name: text, port: nil))
    }
}
