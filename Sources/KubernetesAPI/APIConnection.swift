/// How the Kubernetes API is reached: a value, however it was configured.
package struct APIConnection: Sendable, Hashable {
    /// The API servers in the order in which they are tried.
    package var addresses: [APIAddress]
    /// The authorities that may sign the API server's certificate; nil: the system's.
    package var authority: PEMText?
    /// False with `insecure-skip-tls-verify`: any server that answers is trusted.
    package var verifiesCertificate = true
    /// The name in the API server's certificate, where it is not the address's.
    package var certificateName: String?
    package var credentials: Credentials
    /// What a person should know about these settings.
    package var warnings: [String] = []

    package init(addresses: [APIAddress], authority: PEMText? = nil, credentials: Credentials = Credentials()) {
        self.addresses = addresses
        self.authority = authority
        self.credentials = credentials
    }

    /// The same with other addresses, as `--apiserver` names them.
    package func with(addresses: [APIAddress]) -> APIConnection {
        var connection = self
        if !addresses.isEmpty { connection.addresses = addresses }
        return connection
    }
}

/// Certificates or a key as PEM: written in the settings, or in a file that may be replaced at any time.
package enum PEMText: Sendable, Hashable {
    case inline([UInt8])
    case file(String)
}

/// The credentials we authenticate with. The parts that are there are used together, except that a token from a plugin or a file
/// goes before one that is written down.
package struct Credentials: Sendable, Hashable {
    package var token: String?
    /// Read before each request, so that a rotated token is used at once.
    package var tokenFile: String?
    package var certificate: PEMText?
    package var key: PEMText?
    package var plugin: CredentialPlugin?

    package init(token: String? = nil, tokenFile: String? = nil) {
        self.token = token
        self.tokenFile = tokenFile
    }
}

/// A command that hands out credentials, as `exec` in a kubeconfig names it.
package struct CredentialPlugin: Sendable, Hashable {
    package var command: String
    package var arguments: [String] = []
    /// Added to our own environment.
    package var environment: [String: String] = [:]
    /// `client.authentication.k8s.io/v1` or `…/v1beta1`.
    package var apiVersion: String
    /// What to do when the command is not there, in the words of the kubeconfig.
    package var installHint: String?
    /// The cluster that the plugin is told of, as JSON; nil if it does not want to know.
    package var cluster: String?
    package var timeout: Duration = .seconds(60)

    package init(command: String, apiVersion: String = "client.authentication.k8s.io/v1") {
        self.command = command
        self.apiVersion = apiVersion
    }
}
