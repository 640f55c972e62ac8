package import ManifestDirectory

extension Duration {
    /// Reads a span as Go writes it: `30s`, `1m0s`, `1.5h`, `0`. None is negative here.
    package init(goSetting text: String) throws(SettingMistake) {
        guard let duration = Self.parse(Substring(text)) else {
            throw SettingMistake("write a span of time like 30s, 1m30s or 500ms")
        }
        self = duration
    }

    /// The same, where nothing happens in no time.
    package init(positiveGoSetting text: String) throws(SettingMistake) {
        try self.init(goSetting: text)
        guard self > .zero else { throw SettingMistake("write a span of time that is longer than 0, like 30s") }
    }

    private static let units: [(name: String, seconds: Double)] = [
        ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
    ]

    private static func parse(_ text: Substring) -> Duration? {
        if text == "0" { return .zero }
        var rest = text
        var total = Duration.zero
        repeat {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest.removeFirst(number.count)
            let name = rest.prefix { !($0.isNumber || $0 == ".") }
            rest.removeFirst(name.count)
            guard let value = Double(number), value < 1e9, let unit = units.first(where: { $0.name == name })
            else { return nil }
            total += .seconds(value * unit.seconds)
        } while !rest.isEmpty
        return total
    }

    /// In a form that Go reads, in whole milliseconds.
    var goText: String {
        let milliseconds = Int((self / .milliseconds(1)).rounded())
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
