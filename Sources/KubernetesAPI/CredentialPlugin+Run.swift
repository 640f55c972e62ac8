import FoundationEssentials
import Glibc
import NIOPosix
import Synchronization
import SystemCalls
import SystemPackage

/// What a credential plugin handed out.
struct PluginCredential: Sendable {
    var token: String?
    var certificate: [UInt8]?
    var key: [UInt8]?
    /// Seconds since 1970; nil: good until it is refused.
    var expires: Double?
}

extension CredentialPlugin {
    /// Runs the command, away from the threads that must not block.
    func run() async throws(KubernetesError) -> PluginCredential {
        let isCancelled = Cancellation()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                NIOThreadPool.singleton.submit { _ in
                    continuation.resume(
                        returning: Result { () throws(KubernetesError) in try runBlocking(isCancelled) })
                }
            }
        } onCancel: {
            isCancelled.flag.store(true, ordering: .relaxed)
        }
        return try result.get()
    }

    private func runBlocking(_ cancellation: Cancellation) throws(KubernetesError) -> PluginCredential {
        let outcome: PluginProcess.Outcome
        do throws(PluginProcess.Failure) {
            let process = try PluginProcess([command] + arguments, environment: fullEnvironment())
            outcome = try process.run(within: timeout, isCancelled: cancellation.flag)
        } catch {
            throw explained(error)
        }
        guard outcome.status == 0 else {
            let ending =
                outcome.status & 0x7f == 0
                ? "it ended with exit code \((outcome.status >> 8) & 0xff)" : "signal \(outcome.status & 0x7f) ended it"
            throw refused(ending + said(outcome.complaint), "run it by hand")
        }
        return try credential(from: outcome)
    }

    private func fullEnvironment() -> [String] {
        var all = ProcessInfo.processInfo.environment
        all.merge(environment) { $1 }
        var spec = ["interactive": "false"]
        spec["cluster"] = cluster
        all["KUBERNETES_EXEC_INFO"] = JSONText.object([
            "apiVersion": JSONText.string(apiVersion), "kind": JSONText.string("ExecCredential"),
            "spec": JSONText.object(spec),
        ])
        return all.map { "\($0.key)=\($0.value)" }
    }

    private func credential(from outcome: PluginProcess.Outcome) throws(KubernetesError) -> PluginCredential {
        let advice = "it must print an ExecCredential of \(apiVersion)"
        guard let answer = try? JSONDecoder().decode(ExecCredential.self, from: Data(outcome.output)) else {
            let shown = outcome.output.isEmpty ? "it printed nothing" : "what it printed is no ExecCredential"
            throw refused(shown + said(outcome.complaint), advice)
        }
        guard answer.apiVersion == apiVersion else {
            throw refused("it answered in \(answer.apiVersion ?? "no apiVersion")", advice)
        }
        guard let status = answer.status, status.token != nil || status.clientCertificateData != nil else {
            throw refused("its answer has neither a token nor a certificate" + said(outcome.complaint), advice)
        }
        guard (status.clientCertificateData == nil) == (status.clientKeyData == nil) else {
            throw refused("its answer has a certificate or key without the other", advice)
        }
        var credential = PluginCredential(token: status.token)
        credential.certificate = status.clientCertificateData.map { Array($0.utf8) }
        credential.key = status.clientKeyData.map { Array($0.utf8) }
        if let text = status.expirationTimestamp {
            guard let expires = secondsSince1970(text) else {
                throw refused("its expirationTimestamp is \(text)", "it must be written like 2030-01-31T12:00:00Z")
            }
            credential.expires = expires
        }
        return credential
    }

    private func explained(_ failure: PluginProcess.Failure) -> KubernetesError {
        switch failure {
        case .start(ENOENT): refused("it is not installed", installHint ?? "install it, or correct exec.command")
        case .start(let number): refused(Errno(rawValue: number).plainText, "make it executable")
        case .overdue: refused("it ran for longer than \(timeout)", "run it by hand; it must not ask anything")
        case .tooLong: refused("it printed more than 1 MiB", "it must print an ExecCredential")
        case .cancelled: .cancelled("run", "credential plugin \(command)")
        }
    }

    private func refused(_ cause: String, _ advice: String) -> KubernetesError {
        KubernetesError(.credentials, "run", "credential plugin \(command)", cause: cause, advice: advice)
    }

    private func said(_ complaint: [UInt8]) -> String {
        let lines = String(decoding: complaint, as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.last.map { " and said \"\($0.prefix(300))\"" } ?? ""
    }
}

/// Tells a thread that its result is no longer needed.
private final class Cancellation: Sendable {
    let flag = Atomic(false)
}

/// The answer of a plugin, as client.authentication.k8s.io has it.
private struct ExecCredential: Decodable {
    struct Status: Decodable {
        var token: String?
        var clientCertificateData: String?
        var clientKeyData: String?
        var expirationTimestamp: String?
    }

    var apiVersion: String?
    var status: Status?
}

/// RFC 3339, with or without a fraction of a second.
func secondsSince1970(_ text: String) -> Double? {
    for fraction in [false, true] {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fraction)
        if let date = try? style.parse(text) { return date.timeIntervalSince1970 }
    }
    return nil
}
