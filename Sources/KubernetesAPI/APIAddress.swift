import FoundationEssentials

/// The URL of an API server.
package struct APIAddress: Sendable, Hashable, CustomStringConvertible {
    package let scheme: String
    /// IPv6 addresses without their brackets.
    package let host: String
    package let port: Int
    /// Before each path of the API: empty, or `/k8s/clusters/c-1`.
    package let prefix: String

    /// - Parameter text: `https://10.0.0.1:6443`; a name or address alone means https.
    package init(_ text: String) throws(KubernetesError) {
        let advice = "write it like https://10.0.0.1:6443"
        let full = text.contains("://") ? text : "https://\(text)"
        guard let parts = URLComponents(string: full), let host = parts.host, !host.isEmpty else {
            throw .configuration("API server \(text)", "it is no URL", advice)
        }
        guard let scheme = parts.scheme?.lowercased(), ["https", "http"].contains(scheme) else {
            throw .configuration("API server \(text)", "its scheme is neither https nor http", advice)
        }
        guard parts.query == nil, parts.fragment == nil, parts.user == nil else {
            throw .configuration("API server \(text)", "it has more than a host, a port and a path", advice)
        }
        let port = parts.port ?? (scheme == "https" ? 443 : 80)
        guard (1...65535).contains(port) else {
            throw .configuration("API server \(text)", "\(port) is not a port number", advice)
        }
        self.scheme = scheme
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        self.port = port
        var path = parts.percentEncodedPath[...]
        while path.hasSuffix("/") { path.removeLast() }
        prefix = String(path)
    }

    package var description: String { url(host: host) + prefix }

    /// `10.0.0.1:6443`, an IPv6 address in brackets.
    var hostAndPort: String { withPort(host) }

    /// Everything before the path, with this name in the host's place.
    func url(host: String) -> String {
        "\(scheme)://\(withPort(host))"
    }

    private func withPort(_ host: String) -> String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
