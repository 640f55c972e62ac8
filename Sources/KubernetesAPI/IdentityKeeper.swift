import FoundationEssentials
import Logging
import NIOCore
import NIOSSL

/// The TLS settings and authorization header of one request.
struct Identity: Sendable {
    /// The value of the header `authorization`.
    var authorization: String?
    var tls: TLSConfiguration
    /// Which answer of the plugin is in it.
    fileprivate var pluginRun = 0
}

/// Knows the credentials as they are now: files are read for each request, a plugin runs when its answer ends.
///
/// Requests are rare, three in some minutes, so that reading small files again costs less than any way of knowing that
/// they changed, and is right however they were replaced.
actor IdentityKeeper {
    /// A credential that ends sooner than this is not used for a request any more.
    private static let margin = 30.0
    /// A plugin that runs for longer is told of, though it may run on.
    private static let pluginPatience = Duration.seconds(5)

    private let connection: APIConnection
    private let time: Timekeeper
    private let log: Logger?
    private var made: (material: Material, tls: TLSConfiguration)?
    private var answer: PluginCredential?
    private(set) var pluginRuns = 0
    private var isRunning = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Parameter log: is told of a plugin that takes its time.
    init(_ connection: APIConnection, _ time: Timekeeper, log: Logger? = nil) {
        self.connection = connection
        self.time = time
        self.log = log
    }

    /// The identity for a request that is about to be sent.
    func identity() async throws(KubernetesError) -> Identity {
        let answer = try await pluginAnswer()
        let credentials = connection.credentials
        var material = Material(
            authority: try bytes(of: connection.authority), certificate: answer?.certificate, key: answer?.key)
        if material.certificate == nil {
            material.certificate = try bytes(of: credentials.certificate)
            material.key = try bytes(of: credentials.key)
        }
        var token = answer?.token
        if token == nil { token = try fileToken() ?? credentials.token }
        return Identity(
            authorization: token.map { "Bearer \($0)" }, tls: try configuration(for: material), pluginRun: pluginRuns)
    }

    /// The API server did not accept it (401). What the plugin said is forgotten; files are read again anyway.
    func refused(_ identity: Identity) {
        // Not if another request has had it renewed since.
        if identity.pluginRun == pluginRuns { answer = nil }
    }

    private func fileToken() throws(KubernetesError) -> String? {
        guard let file = connection.credentials.tokenFile else { return nil }
        let text = String(decoding: try readFile(file, as: "token"), as: UTF8.self)
        let token = text.filter { !$0.isWhitespace }
        guard !token.isEmpty else {
            throw KubernetesError(
                .credentials, "read", "token \(file)", cause: "it is empty",
                advice: "wait for its rotation, or write it")
        }
        return token
    }

    private func bytes(of pem: PEMText?) throws(KubernetesError) -> [UInt8]? {
        switch pem {
        case .inline(let bytes): bytes
        case .file(let path): try readFile(path, as: "certificate or key")
        case nil: nil
        }
    }

    // MARK: Plugin

    private func pluginAnswer() async throws(KubernetesError) -> PluginCredential? {
        guard let plugin = connection.credentials.plugin else { return nil }
        // One run for all the requests that wait for it.
        while isRunning { await withCheckedContinuation { waiting.append($0) } }
        if let answer, answer.expires.map({ $0 - Self.margin > time.wallClock() }) ?? true { return answer }
        isRunning = true
        defer {
            isRunning = false
            for continuation in waiting { continuation.resume() }
            waiting = []
        }
        async let _: Void = tellIfSlow(plugin)
        let fresh = try await plugin.run()
        pluginRuns += 1
        answer = fresh
        return fresh
    }

    private func tellIfSlow(_ plugin: CredentialPlugin) async {
        do { try await time.sleep(Self.pluginPatience) } catch { return }
        log?.warning(
            "waiting for the credential plugin",
            metadata: [
                "command": "\(plugin.command)", "since": "\(Self.pluginPatience)", "atMost": "\(plugin.timeout)",
                "advice": "run it by hand; it must not ask anything",
            ])
    }

    // MARK: TLS

    private struct Material: Equatable {
        var authority: [UInt8]?
        var certificate: [UInt8]?
        var key: [UInt8]?
    }

    /// The same value as long as the material is the same, because connections are kept by it.
    private func configuration(for material: Material) throws(KubernetesError) -> TLSConfiguration {
        if let made, made.material == material { return made.tls }
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        // A peer that is sick will not complete the TLS shutdown, and a stop has a second for all it does.
        tls.shutdownTimeout = .milliseconds(200)
        tls.certificateVerification = connection.verifiesCertificate ? .fullVerification : .none
        if let authority = material.authority {
            tls.trustRoots = .certificates(try certificates(authority, connection.authority))
        }
        if let certificate = material.certificate, let key = material.key {
            tls.certificateChain = try certificates(certificate, connection.credentials.certificate)
                .map { .certificate($0) }
            tls.privateKey = .privateKey(try privateKey(key))
        }
        made = (material, tls)
        return tls
    }

    private func certificates(_ bytes: [UInt8], _ source: PEMText?) throws(KubernetesError) -> [NIOSSLCertificate] {
        if let found = try? NIOSSLCertificate.fromPEMBytes(bytes), !found.isEmpty { return found }
        // Of a bundle those that are whole are of use, as in Go.
        let end = "-----END CERTIFICATE-----"
        let parts = String(decoding: bytes, as: UTF8.self).components(separatedBy: end).dropLast()
        let found = parts.flatMap { (try? NIOSSLCertificate.fromPEMBytes(Array("\($0)\(end)\n".utf8))) ?? [] }
        if !found.isEmpty { return found }
        throw broken("certificates", source)
    }

    private func privateKey(_ bytes: [UInt8]) throws(KubernetesError) -> NIOSSLPrivateKey {
        if let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) { return key }
        throw broken("private key", connection.credentials.key)
    }

    private func broken(_ what: String, _ source: PEMText?) -> KubernetesError {
        let place =
            switch source {
            case .file(let path): "\(what) \(path)"
            case .inline: "\(what) in the kubeconfig"
            case nil: "\(what) of \(connection.credentials.plugin?.command ?? "the plugin")"
            }
        return KubernetesError(
            .credentials, "use", place, cause: "it is not PEM, or is broken", advice: "write unencrypted PEM")
    }
}
