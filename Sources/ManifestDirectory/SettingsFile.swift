import KubernetesObjects

/// A YAML file of settings, read by the rules that hold for manifests: one map of names to scalars and lists.
///
/// A reader gets nil both for what is absent and for what has the wrong form; the latter is in `mistakes`.
public struct SettingsFile {
    private let top: Field

    /// Reads the file; an empty one sets nothing.
    public init(_ path: String) throws(ManifestSourceError) {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileAccess.read(path).get().bytes
        } catch {
            throw ManifestSourceError(
                .read, "configuration \(path)", errno: error.number, advice: "check --config")
        }
        self.init(readYAML(bytes))
    }

    private init(_ documents: [ManifestDocument]) {
        var nothing = Document()
        nothing.appendNull()
        var content = nothing
        var complaints: [(cause: String, advice: String)] = []
        switch documents.first?.content {
        case .success(let written): content = written
        case .failure(let error): complaints.append((error.text, "correct the YAML"))
        case nil: break
        }
        if documents.count > 1 { complaints.append(("it holds several documents", "write one")) }
        let value = Field(content).value
        switch value {
        case .map, .null: break
        default:
            complaints.append(("it is \(value.kindWord)", "write keys and values"))
            content = nothing
        }
        top = Field(content)
        for complaint in complaints { top.report(complaint.cause, complaint.advice) }
    }

    /// The names that are set, in the file's order.
    public var keys: [String] { top.keys }

    /// What was found wrong so far, each with what to do: `maxSlots is lots; write a whole number`.
    public var mistakes: [String] {
        top.findings.all.map { finding in
            (finding.field.isEmpty ? "" : "\(finding.field) ") + "\(finding.cause); \(finding.advice)"
        }
    }

    public func text(_ key: String) -> String? { top[key]?.text }

    public func flag(_ key: String) -> Bool? { top[key]?.flag }

    public func texts(_ key: String) -> [String]? { top[key]?.elements.compactMap(\.text) }

    /// A whole number that is not negative.
    public func count(_ key: String) -> UInt32? {
        guard let field = top[key], let number = field.integer else { return nil }
        if let count = UInt32(exactly: number) { return count }
        field.report("is \(number)", "write a number from 0 to \(UInt32.max)")
        return nil
    }
}
