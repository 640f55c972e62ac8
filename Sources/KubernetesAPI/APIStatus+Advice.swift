import AsyncHTTPClient
import Glibc
import KubernetesObjects
import NIOCore
import NIOPosix
import NIOSSL
import SystemPackage
import SystemCalls

extension APIStatus {
    /// What a person can do about it.
    func advice(for request: APIRequest) -> String {
        switch code {
        case 401: "check the token or client certificate: it may have expired"
        case 403:
            "grant a ClusterRole with apiGroups: [\"\(request.resource.group)\"], "
                + "resources: [\"\(request.resource.plural)\"], verbs: [\(request.verb.needed)]"
        case 404: "check the URL; Kubernetes 1.21 or newer is needed"
        case 429: "it is asked again later"
        case 500...: "look into the API server's log; it is asked again"
        default: "it is asked again"
        }
    }

    /// The history from which we want to go on is gone: list again.
    var isExpired: Bool { code == 410 || reason == "Expired" || reason == "Gone" }

    /// The API server has not got as far as we have, now or ever: its data were restored from a backup, or its cache
    /// lags behind.
    var isBehind: Bool { message.contains("Too large resource version") }
}

extension APIRequest.Verb {
    /// Verbs to grant: after a list comes a watch.
    fileprivate var needed: String { self == .list || self == .watch ? "\"list\", \"watch\"" : "\"\(self)\"" }
}

/// What a refusal says of the API server.
extension APIStatus {
    /// Another one may be well: this one is broken or has too much to do, accepts no credentials, or is something in front
    /// of an API server.
    var isSick: Bool {
        isForeign || code >= 500 && !isBehind || [401, 404, 429].contains(code) || (300..<400).contains(code)
    }
}

/// The beginning of an answer that is not the API's.
func firstWords(of bytes: [UInt8]) -> String {
    let text = String(decoding: bytes.prefix(200), as: UTF8.self)
    return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
}

/// What kept a request from being answered.
func transportCause(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        error.connectionErrors.first.map { transportCause($0.error) }
            ?? "the name \(error.host) has no address"
    case let error as OtherServer: "\(error)"
    case let error as IOError: Errno(rawValue: error.errnoCode).plainText
    case let error as HTTPClientError where error == .connectTimeout: "no connection in time"
    case let error as HTTPClientError where error == .tlsHandshakeTimeout: "no TLS in time"
    case let error as HTTPClientError where error == .deadlineExceeded: "no answer in time"
    case let error as HTTPClientError where error == .remoteConnectionClosed: "the connection was closed"
    case let error as HTTPClientError: error.shortDescription
    case NIOSSLError.handshakeFailed(let cause): tlsCause("\(cause)")
    default: "\(error)"
    }
}

private func tlsCause(_ text: String) -> String {
    let causes = [
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not signed by an authority that we trust, or has ended"),
        ("CERTIFICATE_REQUIRED", "it wants a client certificate"),
        ("UNKNOWN_CA", "it does not trust our client certificate"),
        ("CERTIFICATE_EXPIRED", "our client certificate has ended"),
        ("WRONG_VERSION_NUMBER", "the server does not speak TLS; did you mean http://?"),
    ]
    return causes.first { text.contains($0.0) }?.1 ?? "the TLS handshake broke: \(text.prefix(200))"
}

func transportAdvice(_ error: any Error) -> String {
    switch error {
    case is OtherServer: "check the address, what DNS says of it, and tls-server-name"
    case is NIOSSLError, is NIOSSLExtraError: "check certificate-authority, the client certificate and tls-server-name"
    default: "check the address and that the API server runs; what is programmed stays in force"
    }
}
