import KubernetesObjects

/// A YAML file of settings, read by the rules that hold for manifests.
package struct SettingsFile {
    /// The map that the file is; empty if the file is.
    package let settings: SettingsSection

    /// Reads the file; an empty one sets nothing.
    package init(_ path: String) throws(ManifestSourceError) {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileAccess.read(path, isManifest: false).get().bytes
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
        let field = Field(content)
        settings = SettingsSection(field)
        for complaint in complaints { field.report(complaint.cause, complaint.advice) }
    }

    /// What was found wrong so far, each with what to do: `maxSlots is lots; write a whole number`.
    package var mistakes: [String] {
        settings.field.findings.all.map { finding in
            (finding.field.isEmpty ? "" : "\(finding.field) ") + "\(finding.cause); \(finding.advice)"
        }
    }
}

/// A text that cannot be the value of a setting, and what could be.
package struct SettingMistake: Error, CustomStringConvertible, Sendable, Hashable {
    /// `write true or false`.
    package var advice: String

    package init(_ advice: String) { self.advice = advice }

    package var description: String { advice }
}

/// A map of names to scalars, lists and further maps.
///
/// A reader gets nil both for what is absent and for what has the wrong form; the latter is in the file's mistakes.
package struct SettingsSection {
    let field: Field

    init(_ field: Field) { self.field = field }

    /// The names that are set, in the file's order.
    package var keys: [String] { field.keys }

    /// Whether the name is there with something else than what Go writes for nothing: `""`, `0`, `0s`, `false`,
    /// `null`, an empty list or map.
    package func says(_ key: String) -> Bool { field[key]?.saysSomething ?? false }

    /// The map with this name.
    package func section(_ key: String) -> SettingsSection? {
        guard let member = field[key] else { return nil }
        if member.isMap { return SettingsSection(member) }
        member.report("is \(member.shown)", "write a map with keys and values")
        return nil
    }

    package func text(_ key: String) -> String? { field[key]?.text }

    package func flag(_ key: String) -> Bool? { field[key]?.flag }

    package func texts(_ key: String) -> [String]? { field[key]?.elements.compactMap(\.text) }

    /// A whole number that is not negative.
    package func count(_ key: String) -> UInt32? {
        guard let member = field[key], let number = member.integer else { return nil }
        if let count = UInt32(exactly: number) { return count }
        member.report("is \(number)", "write a number from 0 to \(UInt32.max)")
        return nil
    }

    /// A text in a form of its own.
    package func parsed<Result>(
        _ key: String, _ parse: (String) throws(SettingMistake) -> Result
    ) -> Result? {
        guard let member = field[key], let text = member.text else { return nil }
        do throws(SettingMistake) {
            return try parse(text)
        } catch {
            member.report("is \(member.shown)", error.advice)
            return nil
        }
    }

    /// A list of texts that mean something together.
    package func parsedList<Result>(
        _ key: String, _ parse: ([String]) throws(SettingMistake) -> Result
    ) -> Result? {
        guard let member = field[key] else { return nil }
        let texts = member.elements.compactMap(\.text)
        do throws(SettingMistake) {
            return try parse(texts)
        } catch {
            member.report("is [\(texts.joined(separator: ", "))]", error.advice)
            return nil
        }
    }
}

extension Field {
    fileprivate var saysSomething: Bool {
        switch value {
        case .null: false
        case .plain(let text), .quoted(let text): !["", "0", "0s", "false"].contains(text)
        case .list: !elements.isEmpty
        case .map: keys.contains { self[$0]?.saysSomething ?? false }
        }
    }
}
