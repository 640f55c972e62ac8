import FoundationEssentials
package import KubernetesObjects
import SystemCalls

/// Reads a kubeconfig, of which the daemon has parsed the YAML or JSON.
package struct Kubeconfig {
    private let top: Field
    private let file: String

    /// - Parameter file: its path, for messages, and because paths in it are relative to its directory.
    package init(_ document: Document, file: String) {
        top = Field(document)
        self.file = file
    }

    /// The connection that a context describes; `current-context` if none is named.
    package func connection(context wanted: String? = nil) throws(KubernetesError) -> APIConnection {
        let context = try selectedContext(wanted)
        guard let clusterName = context.text("cluster") else {
            throw refused("its context names no cluster", "add contexts[].context.cluster")
        }
        let cluster = try entry(named: clusterName, in: "clusters", as: "cluster")
        let user = try context.written("user").flatMap { name throws(KubernetesError) in
            try entry(named: name, in: "users", as: "user", isOptional: true)
        }
        var connection = try clusterConnection(cluster)
        if let user { connection.credentials = try credentials(user, cluster: cluster) }
        try throwFindings()
        return connection
    }

    private func selectedContext(_ wanted: String?) throws(KubernetesError) -> Field {
        guard let name = wanted ?? top.text("current-context"), !name.isEmpty else {
            let names = top.list("contexts").compactMap { $0.text("name") }
            throw refused(
                "it has no current-context",
                names.isEmpty ? "add one" : "name a context: \(names.joined(separator: ", "))")
        }
        return try entry(named: name, in: "contexts", as: "context")
    }

    private func entry(named name: String, in list: String, as member: String) throws(KubernetesError) -> Field {
        if let content = try entry(named: name, in: list, as: member, isOptional: false) { return content }
        throw refused("it has no \(member) \"\(name)\"", "add it below \(list), or name another one")
    }

    /// - Parameter isOptional: what the entry says may be null, and then it says nothing.
    private func entry(
        named name: String, in list: String, as member: String, isOptional: Bool
    ) throws(KubernetesError) -> Field? {
        for element in top.list(list) where element.text("name") == name {
            if let content = element[member] { return content }
            if isOptional { return nil }
        }
        try throwFindings()
        throw refused("it has no \(member) \"\(name)\"", "add it below \(list), or name another one")
    }

    private func clusterConnection(_ cluster: Field) throws(KubernetesError) -> APIConnection {
        guard let server = cluster.text("server") else { throw refused("a cluster has no server", "add its URL") }
        if let proxy = cluster.written("proxy-url") {
            throw refused("proxies are not supported (proxy-url \(proxy))", "remove it, or give --apiserver")
        }
        var connection = APIConnection(addresses: [try APIAddress(server)])
        connection.certificateName = cluster.written("tls-server-name")
        connection.authority = pem(cluster, "certificate-authority")
        if cluster.flag("insecure-skip-tls-verify") == true {
            guard connection.authority == nil else {
                throw refused("it names a certificate authority and says not to verify", "remove one of the two")
            }
            connection.verifiesCertificate = false
            connection.warnings.append(
                "\(file) says insecure-skip-tls-verify: any server that answers for \(server) is trusted, and gets our "
                    + "credentials; give certificate-authority-data instead")
        }
        return connection
    }

    private func credentials(_ user: Field, cluster: Field) throws(KubernetesError) -> Credentials {
        for unsupported in ["auth-provider", "as", "as-uid", "as-groups", "username", "password"] {
            guard let field = user[unsupported], field.shown != "\"\"" else { continue }
            throw refused("\(unsupported) is not supported", "use a token, a client certificate or exec")
        }
        var credentials = Credentials(token: user.written("token"), tokenFile: user.written("tokenFile").map(path))
        credentials.certificate = pem(user, "client-certificate")
        credentials.key = pem(user, "client-key")
        guard (credentials.certificate == nil) == (credentials.key == nil) else {
            throw refused("a user has a client certificate or key without the other", "give both")
        }
        credentials.plugin = try user["exec"].map { exec throws(KubernetesError) in try plugin(exec, cluster) }
        return credentials
    }

    private func plugin(_ exec: Field, _ cluster: Field) throws(KubernetesError) -> CredentialPlugin {
        guard let command = exec.text("command"), !command.isEmpty else {
            throw refused("exec has no command", "name the credential plugin")
        }
        let version = exec.text("apiVersion") ?? ""
        guard ["v1", "v1beta1"].contains(where: { version == "client.authentication.k8s.io/\($0)" }) else {
            throw refused(
                "exec \(command) speaks \(version.isEmpty ? "no apiVersion" : version)",
                "write client.authentication.k8s.io/v1")
        }
        guard exec.text("interactiveMode") != "Always" else {
            throw refused(
                "exec \(command) has to ask a person", "use a plugin with interactiveMode Never or IfAvailable")
        }
        // As kubectl has it: a bare name is looked up in PATH, anything else is relative to the kubeconfig.
        var plugin = CredentialPlugin(command: command.contains("/") ? path(command) : command, apiVersion: version)
        plugin.arguments = exec.texts("args")
        for variable in exec.list("env") {
            if let name = variable.text("name") { plugin.environment[name] = variable.text("value") ?? "" }
        }
        plugin.installHint = exec.text("installHint")
        if exec.flag("provideClusterInfo") == true { plugin.cluster = try clusterInformation(cluster) }
        return plugin
    }

    /// What `spec.cluster` of the plugin's input says.
    private func clusterInformation(_ cluster: Field) throws(KubernetesError) -> String {
        var members = ["server": cluster.text("server"), "tls-server-name": cluster.text("tls-server-name")]
        switch pem(cluster, "certificate-authority") {
        case .inline(let bytes): members["certificate-authority-data"] = Data(bytes).base64EncodedString()
        case .file(let path):
            members["certificate-authority-data"] = Data(try readFile(path, as: "certificates")).base64EncodedString()
        case nil: break
        }
        return JSONText.object(members.compactMapValues { $0.map(JSONText.string) })
    }

    /// A member that is there as data, or as the name of a file; data goes first, as in kubectl.
    private func pem(_ field: Field, _ key: String) -> PEMText? {
        if let data = field["\(key)-data"], let text = data.text, !text.isEmpty {
            if let bytes = Data(base64Encoded: text, options: .ignoreUnknownCharacters) {
                return .inline([UInt8](bytes))
            }
            data.report("is not base64", "encode the PEM file with base64")
            return nil
        }
        return field.text(key).flatMap { $0.isEmpty ? nil : .file(path($0)) }
    }

    private func path(_ written: String) -> String {
        guard !written.hasPrefix("/"), let end = file.lastIndex(of: "/") else { return written }
        return file[...end] + written
    }

    private func throwFindings() throws(KubernetesError) {
        guard let first = top.findings.all.first else { return }
        throw refused("\(first.field) \(first.cause)", first.advice)
    }

    private func refused(_ cause: String, _ advice: String) -> KubernetesError {
        .configuration("kubeconfig \(file)", cause, advice)
    }
}

/// A kubeconfig's keys are none that objects have.
extension Field {
    fileprivate func list(_ key: String) -> [Field] { self[key]?.elements ?? [] }
    fileprivate func text(_ key: String) -> String? { self[key]?.text }
    /// A text that is not empty, which client-go takes for an absent one.
    fileprivate func written(_ key: String) -> String? { text(key).flatMap { $0.isEmpty ? nil : $0 } }
    fileprivate func texts(_ key: String) -> [String] { list(key).compactMap(\.text) }
    fileprivate func flag(_ key: String) -> Bool? { self[key]?.flag }
}
