import KubernetesAPI
import Testing

@testable import SwiftletDaemon

@Suite("What is known of a cluster before it answers")
struct ClusterMarksTests {
    private func pem(_ texts: String...) -> PEMText {
        .inline(
            Array(
                texts.map { "a comment\n-----BEGIN CERTIFICATE-----\n\($0)\n-----END CERTIFICATE-----\n" }.joined().utf8
            ))
    }

    private func connection(_ address: String, _ authority: PEMText? = nil) throws -> APIConnection {
        APIConnection(addresses: [try APIAddress(address)], authority: authority)
    }

    @Test("certificates are its marks, each for itself, and so are the addresses")
    func marks() throws {
        let both = try connection("https://a:6443", pem("QUJD\nREVG", "R0hJ")).clusterMarks
        let later = try connection("https://b:6443", pem("R0hJ", "SktM")).clusterMarks
        #expect(both.count == 3 && both.intersection(later).count == 1)
        #expect(try connection("https://a:6443", pem("QUJDREVG")).clusterMarks.isSubset(of: both))
        #expect(try connection("http://192.0.2.1:8080").clusterMarks == ["server:http://192.0.2.1:8080"])
    }

    @Test(
        "a proxy that the environment names is told, if Go would use it",
        arguments: [
            ("https://192.0.2.1:6443", ["HTTPS_PROXY": "http://p:3128"], "HTTPS_PROXY"),
            ("https://192.0.2.1:6443", ["https_proxy": "http://p:3128"], "https_proxy"),
            ("http://192.0.2.1:8080", ["HTTPS_PROXY": "http://p:3128"], nil),
            ("https://127.0.0.1:6443", ["HTTPS_PROXY": "http://p:3128"], nil),
            ("https://192.0.2.1:6443", ["HTTPS_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.1, 192.0.2.0/24"], nil),
            ("https://api.example.org", ["HTTPS_PROXY": "http://p:3128", "no_proxy": ".example.org"], nil),
            ("https://api.example.org", ["HTTPS_PROXY": "http://p:3128", "NO_PROXY": "xample.org"], "HTTPS_PROXY"),
            ("https://api.example.org", ["HTTPS_PROXY": "http://p:3128", "NO_PROXY": "*"], nil),
        ] as [(String, [String: String], String?)])
    func proxy(address: String, environment: [String: String], expected: String?) throws {
        #expect(try connection(address).unusedProxy(in: environment) == expected)
    }

    @Test("what could not be looked at for kube-proxy's rules may have some")
    func unseenRules() {
        #expect(!KubeProxyTraces().mayHaveConnections)
        #expect(KubeProxyTraces(unseen: ["nft, IPv4: nft is not installed"]).mayHaveConnections)
        #expect(KubeProxyTraces(closed: ["nft, IPv4: permission denied"]).mayHaveConnections)
    }
}
