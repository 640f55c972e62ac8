import ManifestDirectory
import ServiceModel
import SystemPackage

/// How the value of a setting stands in a file: one rule for reading and for writing it.
struct SettingForm<Value: Sendable>: Sendable {
    /// Nil if nothing is there; what is wrong with it is in the file's mistakes.
    let read: @Sendable (SettingsSection, String) -> Value?
    /// Nil: it is left out.
    let write: @Sendable (Value) -> SettingValue?
}

extension SettingForm {
    static func text(
        _ parse: @escaping @Sendable (String) throws(SettingMistake) -> Value,
        _ print: @escaping @Sendable (Value) -> String
    ) -> SettingForm {
        SettingForm(read: { $0.parsed($1, parse) }, write: { .text(print($0)) })
    }

    /// Texts that mean something together.
    static func list(
        _ parse: @escaping @Sendable ([String]) throws(SettingMistake) -> Value,
        _ print: @escaping @Sendable (Value) -> [String]
    ) -> SettingForm {
        SettingForm(read: { $0.parsedList($1, parse) }, write: { .list(print($0).map(SettingValue.text)) })
    }
}

extension SettingForm where Value: RawRepresentable, Value.RawValue == String {
    /// One of several words.
    static func word(_ parse: @escaping @Sendable (String) throws(SettingMistake) -> Value) -> SettingForm {
        text(parse) { $0.rawValue }
    }
}

extension SettingForm where Value: BinaryInteger {
    static func number(_ parse: @escaping @Sendable (String) throws(SettingMistake) -> Value) -> SettingForm {
        SettingForm(read: { $0.parsed($1, parse) }, write: { .number(Int($0)) })
    }
}

extension SettingForm where Value == UInt32 {
    static var count: SettingForm { SettingForm(read: { $0.count($1) }, write: { .number(Int($0)) }) }
}

extension SettingForm where Value == Bool {
    static var flag: SettingForm { SettingForm(read: { $0.flag($1) }, write: { .flag($0) }) }
}

extension SettingForm where Value == String {
    static var text: SettingForm { SettingForm(read: { $0.text($1) }, write: { .text($0) }) }
}

extension SettingForm where Value == String? {
    /// An empty text is none.
    static var name: SettingForm {
        SettingForm(read: { $0.text($1).map { $0.isEmpty ? nil : $0 } }, write: { .text($0 ?? "") })
    }

    /// Left out where there is none.
    static var optionalText: SettingForm { SettingForm(read: { $0.text($1) }, write: { $0.map(SettingValue.text) }) }
}

extension SettingForm where Value == [String] {
    static var texts: SettingForm {
        SettingForm(read: { $0.texts($1) }, write: { .list($0.map(SettingValue.text)) })
    }
}

extension SettingForm where Value == FilePath {
    static var path: SettingForm {
        SettingForm(read: { $0.text($1).map { FilePath($0) } }, write: { .text($0.string) })
    }
}

extension SettingForm where Value == FilePath? {
    /// Left out where there is none.
    static var optionalPath: SettingForm {
        SettingForm(read: { $0.text($1).map { FilePath($0) } }, write: { $0.map { .text($0.string) } })
    }

    /// Written as an empty text where there is none.
    static var file: SettingForm {
        SettingForm(read: { $0.text($1).map { FilePath($0) } }, write: { .text($0?.string ?? "") })
    }

    /// An empty text is none.
    static var directory: SettingForm {
        SettingForm(read: { $0.text($1).map { $0.isEmpty ? nil : FilePath($0) } }, write: { .text($0?.string ?? "") })
    }
}

extension SettingForm where Value == Duration {
    static var span: SettingForm { text(Duration.init(positiveGoSetting:)) { $0.goText } }
}

extension SettingForm where Value == [CIDR] {
    static var ranges: SettingForm { text(CIDR.list(setting:), joined) }
}

/// Values between commas.
func joined(_ values: [some CustomStringConvertible]) -> String {
    values.map(\.description).joined(separator: ",")
}
