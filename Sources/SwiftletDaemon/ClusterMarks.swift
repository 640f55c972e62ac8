import FoundationEssentials
import KubernetesAPI
import ServiceModel
import Takeover

extension APIConnection {
    /// By what the cluster is known again: a digest of each certificate of its authority, of which some stay when others are
    /// replaced, and the addresses of its API servers, since clusters may share an authority.
    var clusterMarks: Set<String> {
        let text: String? =
            switch authority {
            case .inline(let bytes): String(decoding: bytes, as: UTF8.self)
            case .file(let path): try? String(contentsOfFile: path, encoding: .utf8)
            case nil: nil
            }
        let marks = Self.certificates(in: text ?? "").map { "sha256:" + SHA256.text(of: $0.utf8) }
        return Set(marks).union(addresses.map { "server:\($0)" })
    }

    /// The texts between the marks of PEM, without their line breaks.
    private static func certificates(in text: String) -> [String] {
        var (certificates, current): ([String], String?) = ([], nil)
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN CERTIFICATE") {
                current = ""
            } else if line.hasPrefix("-----END CERTIFICATE"), let certificate = current {
                certificates.append(certificate)
                current = nil
            } else {
                current?.append(contentsOf: line.filter { !$0.isWhitespace })
            }
        }
        return certificates
    }
}

extension APIConnection {
    /// The variable of the environment that names a proxy for these API servers, by Go's rules; nil if none does. API servers
    /// are connected to directly, whatever it says.
    func unusedProxy(in environment: [String: String]) -> String? {
        func value(_ name: String) -> (name: String, text: String)? {
            [name, name.lowercased()].lazy.compactMap { name in environment[name].map { (name, $0) } }
                .first { !$0.1.isEmpty }
        }
        let exceptions = (value("NO_PROXY")?.text ?? "").split(separator: ",").map { word in
            String(word.filter { !$0.isWhitespace })
        }
        return addresses.lazy.filter { address in !address.isReachedDirectly(exceptions) }
            .compactMap { value($0.scheme == "https" ? "HTTPS_PROXY" : "HTTP_PROXY")?.name }.first
    }
}

extension APIAddress {
    /// Whether no proxy is for this host: loopback, `*`, an address, a range, a name, or a domain.
    fileprivate func isReachedDirectly(_ exceptions: [String]) -> Bool {
        let own = IPAddress(host)
        if host == "localhost" || own?.isLoopback == true { return true }
        return exceptions.contains { exception in
            if exception == "*" || exception == host { return true }
            if let own { return CIDR(exception)?.contains(own) == true || IPAddress(exception) == own }
            let domain = exception.hasPrefix(".") ? exception.dropFirst() : exception[...]
            return !domain.isEmpty && host.hasSuffix(".\(domain)")
        }
    }
}
