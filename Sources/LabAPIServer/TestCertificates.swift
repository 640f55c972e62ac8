import NIOSSL
import NetworkLab
import Glibc

/// An authority and what it signs, made with openssl for this process; the files go with the value.
package final class TestCertificates: Sendable {
    package let directory: String

    package struct Pair: Sendable, Hashable {
        /// Paths of PEM files.
        package var certificate: String
        package var key: String
    }

    package init() throws {
        var template = Array("/tmp/swl-\(getpid())-pki-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError("make", "directory for certificates", cause: "no room") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try Command.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "\(directory)/ca.key", "-out", authority, "-subj", "/CN=swiftlet test", "-days", "2")
    }

    deinit {
        // Best effort: a file that stays is in /tmp and carries the process id.
        _ = try? Command.run("rm", "-rf", directory)
    }

    package var authority: String { "\(directory)/ca.crt" }

    /// A certificate of the server for these names, or of a client.
    package func make(_ name: String, serial: Int, names: [String] = []) throws -> Pair {
        let pair = Pair(certificate: "\(directory)/\(name).crt", key: "\(directory)/\(name).key")
        let request = "\(directory)/\(name).csr"
        try Command.run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            pair.key, "-out", request, "-subj", "/O=system:nodes/CN=\(name)")
        var arguments = [
            "openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", "\(directory)/ca.key", "-set_serial",
            "\(serial)", "-days", "2", "-out", pair.certificate,
        ]
        if !names.isEmpty {
            let extensions = "\(directory)/\(name).ext"
            try Command.run(
                [
                    "sh", "-c", "printf '%s' \"$1\" > \"$2\"", "sh", "subjectAltName=\(names.joined(separator: ","))",
                    extensions,
                ])
            arguments += ["-extfile", extensions]
        }
        try Command.run(arguments)
        return pair
    }
}

extension TestCertificates.Pair {
    func serverConfiguration(trusting authority: String?) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        if let authority {
            tls.certificateVerification = .noHostnameVerification
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authority))
        }
        return tls
    }
}
