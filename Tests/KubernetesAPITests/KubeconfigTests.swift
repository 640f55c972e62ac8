import KubernetesObjects
import ManifestDirectory
import Testing

@testable import KubernetesAPI

@Suite("how the API is reached")
struct KubeconfigTests {
    private static let whole = """
        apiVersion: v1
        kind: Config
        current-context: main
        clusters:
        - name: east
          cluster: {server: "https://10.0.0.1:6443/k8s/", certificate-authority-data: Q0E=, tls-server-name: kubernetes}
        - name: west
          cluster: {server: "https://[fd00::1]", certificate-authority: pki/ca.crt}
        - name: open
          cluster: {server: "https://open", insecure-skip-tls-verify: true}
        users:
        - name: admin
          user: {client-certificate-data: Q1JU, client-key-data: S0VZ}
        - name: node
          user: {client-certificate: /var/lib/kubelet.pem, client-key: keys/kubelet.pem, tokenFile: token}
        - name: bearer
          user: {token: secret}
        - name: cloud
          user:
            exec:
              apiVersion: client.authentication.k8s.io/v1beta1
              command: bin/login
              args: [--cluster, 7]
              env: [{name: REGION, value: east}]
              installHint: install it
              provideClusterInfo: true
              interactiveMode: IfAvailable
        contexts:
        - {name: main, context: {cluster: east, user: admin}}
        - {name: second, context: {cluster: west, user: node}}
        - {name: third, context: {cluster: open, user: bearer}}
        - {name: fourth, context: {cluster: east, user: cloud}}
        - {name: nobody, context: {cluster: west}}
        - {name: lost, context: {cluster: nowhere}}
        """

    private func parse(_ text: String, context: String? = nil) throws -> APIConnection {
        let folder = try Folder()
        try folder.write("config", text)
        let document = try YAMLFile.document(at: folder.path("config"), as: "kubeconfig")
        return try Kubeconfig(document, file: "/etc/kube/config").connection(context: context)
    }

    @Test("the current context, with what is written in it")
    func current() throws {
        let connection = try parse(Self.whole)
        #expect(connection.addresses.map(\.description) == ["https://10.0.0.1:6443/k8s"])
        #expect(connection.authority == .inline(Array("CA".utf8)))
        #expect(connection.certificateName == "kubernetes")
        #expect(connection.credentials.certificate == .inline(Array("CRT".utf8)))
        #expect(connection.credentials.key == .inline(Array("KEY".utf8)))
        #expect(connection.verifiesCertificate)
        #expect(connection.warnings.isEmpty)
    }

    @Test("another context, with files that are relative to the kubeconfig")
    func files() throws {
        let connection = try parse(Self.whole, context: "second")
        #expect(connection.addresses.map(\.description) == ["https://[fd00::1]:443"])
        #expect(connection.authority == .file("/etc/kube/pki/ca.crt"))
        #expect(connection.credentials.certificate == .file("/var/lib/kubelet.pem"))
        #expect(connection.credentials.key == .file("/etc/kube/keys/kubelet.pem"))
        #expect(connection.credentials.tokenFile == "/etc/kube/token")
    }

    @Test("a connection that believes anybody warns")
    func insecure() throws {
        let connection = try parse(Self.whole, context: "third")
        #expect(connection.credentials.token == "secret")
        #expect(!connection.verifiesCertificate)
        #expect(connection.warnings.count == 1)
        #expect(connection.warnings.first?.hasPrefix("/etc/kube/config says insecure-skip-tls-verify: ") == true)
    }

    @Test("a credential plugin")
    func plugin() throws {
        let connection = try parse(Self.whole, context: "fourth")
        let plugin = try #require(connection.credentials.plugin)
        #expect(plugin.command == "/etc/kube/bin/login")
        #expect(plugin.arguments == ["--cluster", "7"])
        #expect(plugin.environment == ["REGION": "east"])
        #expect(plugin.apiVersion == "client.authentication.k8s.io/v1beta1")
        #expect(plugin.installHint == "install it")
        #expect(
            plugin.cluster
                == #"{"certificate-authority-data":"Q0E=","server":"https://10.0.0.1:6443/k8s/","tls-server-name":"kubernetes"}"#
        )
    }

    @Test(
        "a user that is null or has empty texts says nothing, as for kubectl",
        arguments: ["null", "{username: '', password: \"\"}", "{token: '', tokenFile: ''}"])
    func emptyUser(user: String) throws {
        let text = """
            apiVersion: v1
            kind: Config
            current-context: a
            contexts: [{name: a, context: {cluster: c, user: u}}]
            clusters: [{name: c, cluster: {server: "https://10.0.0.1", tls-server-name: "", proxy-url: ""}}]
            users: [{name: u, user: \(user)}]
            """
        let connection = try parse(text, context: nil)
        #expect(connection.credentials == Credentials())
        #expect(connection.certificateName == nil)
    }

    @Test("a context without a user is nobody")
    func nobody() throws {
        let connection = try parse(Self.whole, context: "nobody")
        #expect(connection.credentials == Credentials())
    }

    static let unusable: [(String, String, String)] = [
        ("current-context: main", "current-context: gone", "it has no context \"gone\"; add it below contexts"),
        ("current-context: main", "x: y", "it has no current-context; name a context: main, second"),
        ("current-context: main", "current-context: lost", "it has no cluster \"nowhere\"; add it below clusters"),
        ("Q0E=", "\"*\"", "certificate-authority-data is not base64; encode the PEM file with base64"),
        (", client-key-data: S0VZ", "", "a user has a client certificate or key without the other; give both"),
        ("client-key-data: S0VZ", "client-key-data: S0VZ, password: x", "password is not supported; use a token"),
        ("tls-server-name: kubernetes", "proxy-url: \"http://p\"", "proxies are not supported (proxy-url http://p)"),
        ("https://10.0.0.1:6443/k8s/", "ftp://10.0.0.1", "its scheme is neither https nor http; write it like"),
        (
            "tls-server-name: kubernetes", "insecure-skip-tls-verify: true",
            "it names a certificate authority and says not"
        ),
    ]

    @Test("what cannot be used is named", arguments: KubeconfigTests.unusable)
    func broken(old: String, new: String, message: String) throws {
        let text = Self.whole.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false).joined(
            separator: new)
        let error = #expect(throws: KubernetesError.self) { try parse(text) }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test("a plugin that must ask a person is refused")
    func interactive() throws {
        let text = Self.whole.split(separator: "IfAvailable").joined(separator: "Always")
        let error = #expect(throws: KubernetesError.self) { try parse(text, context: "fourth") }
        #expect(error?.cause == "exec bin/login has to ask a person")
    }

    @Test("a pod has a service account")
    func inCluster() throws {
        let folder = try Folder()
        let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
        #expect(throws: KubernetesError.self) {
            try InClusterConfiguration.connection(environment: environment, directory: folder.root)
        }
        try folder.write("token", "t")
        try folder.write("ca.crt", "CA")
        let connection = try InClusterConfiguration.connection(environment: environment, directory: folder.root)
        #expect(connection.addresses.map(\.description) == ["https://[fd00::1]:443"])
        #expect(connection.authority == .file(folder.path("ca.crt")))
        #expect(connection.credentials.tokenFile == folder.path("token"))
        let named = try InClusterConfiguration.connection(
            environment: [:], addresses: [try APIAddress("10.0.0.1:6443")], directory: folder.root)
        #expect(named.addresses.map(\.description) == ["https://10.0.0.1:6443"])
        #expect(throws: KubernetesError.self) {
            try InClusterConfiguration.connection(environment: [:], directory: folder.root)
        }
    }
}
