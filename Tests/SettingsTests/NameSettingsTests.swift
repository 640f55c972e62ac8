import NameServer
import ServiceModel
import Settings
import Testing

@Suite("names by DNS: what can be set")
struct NameSettingsTests {
    @Test("names are off by default, and the rest has Kubernetes' values")
    func defaults() throws {
        let names = try configuration(of: "logLevel: info").names
        #expect(!names.isOn)
        #expect(names.domain == "cluster.local" && names.timeToLive == 5 && names.upstream == nil)
        #expect(names.serviceIPs.isEmpty && names.allowed.isEmpty)
    }

    @Test("a file sets all of them")
    func file() throws {
        let names = try configuration(
            of: """
                dnsBind: [10.0.0.1, "[fd00::1]:5353"]
                dnsServiceIP: 10.96.0.10,fd00:96::a
                clusterDomain: Example.Org.
                dnsTTL: 30s
                dnsUpstream: [192.0.2.53, "192.0.2.54:5353"]
                dnsAllow: 198.51.100.0/24
                """
        ).names
        #expect(names.bind.map(\.description) == ["10.0.0.1:53", "[fd00::1]:5353"])
        #expect(names.serviceIPs.map(\.description) == ["10.96.0.10", "fd00:96::a"])
        #expect(names.domain == "example.org" && names.timeToLive == 30)
        #expect(names.upstream?.map(\.description) == ["192.0.2.53:53", "192.0.2.54:5353"])
        #expect(names.allowed.map(\.description) == ["198.51.100.0/24"])
    }

    @Test("a KubeProxyConfiguration has them below swiftlet's key, and what is written is read again")
    func roundTrip() throws {
        let settings = try configuration(
            of: kubeProxyFile("swiftlet: {dnsBind: [10.0.0.1], dnsTTL: 7, dnsUpstream: [none]}"))
        #expect(settings.names.isOn && settings.names.timeToLive == 7 && settings.names.upstream == [])
        #expect(try configuration(of: settings.fileText).names == settings.names)
        let usual = try configuration(of: "logLevel: info")
        #expect(try configuration(of: usual.fileText).names == usual.names)
    }

    @Test(
        "what cannot be used says what to write",
        arguments: [
            ("dnsBind: [0.0.0.0]", "write one of the node's own addresses"),
            ("dnsBind: [here]", "\"here\" is no address: write addresses like 10.0.0.1"),
            ("dnsBind: [\"\"]", "\"\" is no address: write addresses like 10.0.0.1"),
            ("dnsBind: [\"10.0.0.1:0\"]", "write addresses like 10.0.0.1"),
            ("dnsServiceIP: 10.96.0.10,10.96.0.11", "write an address like 10.96.0.10, or one of each family"),
            ("dnsServiceIP: 127.0.0.1", "write an address like 10.96.0.10"),
            ("clusterDomain: \"*.local\"", "write a domain like cluster.local"),
            ("clusterDomain: .", "write a domain like cluster.local"),
            ("dnsTTL: 90000", "write seconds from 0 to 86400"),
            ("dnsTTL: 1500ms", "write seconds from 0 to 86400"),
            ("clusterDomain: in-addr.arpa", "write a domain like cluster.local"),
            ("dnsUpstream: [none, 192.0.2.1]", "or none alone"),
            ("dnsUpstream: [0.0.0.0]", "write the address of a server"),
            ("dnsAllow: 10.0.0.1", "write CIDRs"),
        ])
    func mistakes(line: String, advice: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try configuration(of: line) }
        #expect(error?.description.contains(advice) == true, "\(String(describing: error))")
    }

    @Test(
        "a VIP needs an address of its family that pods reach",
        arguments: [
            ("dnsServiceIP: 10.96.0.10", "name the node's address that answers with --dns-bind"),
            ("dnsServiceIP: 10.96.0.10\ndnsBind: [127.0.0.1]", "names no IPv4 address that pods can reach"),
            ("dnsServiceIP: fd00:96::a\ndnsBind: [10.0.0.1]", "names no IPv6 address that pods can reach"),
            ("dnsServiceIP: 10.96.0.10\ndnsBind: [127.0.0.1, 10.0.0.1]", nil),
            ("dnsBind: [10.0.0.1]\ndnsUpstream: [192.0.2.1, 10.0.0.1]", "swiftlet itself answers there"),
            (
                "dnsBind: [10.0.0.1]\ndnsServiceIP: 10.96.0.10\ndnsUpstream: [10.96.0.10]",
                "swiftlet itself answers there"
            ),
            ("dnsBind: [10.0.0.1]\ndnsUpstream: [\"10.0.0.1:5353\"]", nil),
        ] as [(String, String?)])
    func needsBind(text: String, advice: String?) throws {
        let settings = try configuration(of: text)
        guard let advice else { return try settings.check() }
        let error = #expect(throws: ConfigurationError.self) { try settings.check() }
        #expect(error?.description.contains(advice) == true, "\(String(describing: error))")
    }
}
