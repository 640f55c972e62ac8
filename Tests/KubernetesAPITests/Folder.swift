import Glibc
import KubernetesAPI
import NetworkLab

/// A directory of its own, that goes with the value.
final class Folder: Sendable {
    let root: String

    init() throws {
        var template = Array("/tmp/swl-\(getpid())-api-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError("make", "a directory", cause: "no room") }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { _ = try? Command.run("rm", "-rf", root) }

    func path(_ name: String) -> String { "\(root)/\(name)" }

    /// Replaces a file at once, as the kubelet does.
    func write(_ name: String, _ text: String) throws {
        try Command.run(["sh", "-c", "cat > \"$1.new\" && mv \"$1.new\" \"$1\"", "sh", path(name)], input: text)
    }

    func copy(_ file: String, _ name: String) throws {
        try Command.run("sh", "-c", "cp \"$1\" \"$2.new\" && mv \"$2.new\" \"$2\"", "sh", file, path(name))
    }

    func read(_ name: String) throws -> String { try Command.run("cat", path(name)) }

    /// A credential plugin that is this shell script.
    func plugin(_ script: String) throws -> CredentialPlugin {
        try write("plugin", "#!/bin/sh\n\(script)\n")
        try Command.run("chmod", "755", path("plugin"))
        return CredentialPlugin(command: path("plugin"))
    }
}
