package import KubernetesObjects

/// A YAML or JSON file that holds one document, such as a kubeconfig.
package enum YAMLFile {
    /// - Parameter subject: what the file is, for messages: `kubeconfig`.
    package static func document(at path: String, as subject: String) throws(ManifestSourceError) -> Document {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileAccess.read(path).get().bytes
        } catch {
            throw ManifestSourceError(
                .read, "\(subject) \(path)", errno: error.number, advice: "name a file that is there")
        }
        let documents = readYAML(bytes)
        switch documents.first?.content {
        case .success(let document) where documents.count == 1: return document
        case .failure(let error):
            throw ManifestSourceError(.read, "\(subject) \(path)", cause: error.text, advice: "correct the YAML")
        case .success:
            throw ManifestSourceError(
                .read, "\(subject) \(path)", cause: "it holds several documents", advice: "leave one")
        case nil:
            throw ManifestSourceError(.read, "\(subject) \(path)", cause: "it is empty", advice: "name another one")
        }
    }
}
