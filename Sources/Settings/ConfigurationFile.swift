import KubernetesObjects
import ManifestDirectory

extension ConfigurationLayer {
    /// Reads a file: swiftlet's own, or a `KubeProxyConfiguration`. A key that is not known is an error, so that a
    /// typing mistake is not silent.
    package init(file path: String) throws(ConfigurationError) {
        let file: SettingsFile
        do throws(ManifestSourceError) {
            file = try SettingsFile(path)
        } catch {
            throw ConfigurationError("\(error)")
        }
        self.init()
        func refused(_ mistake: String) -> ConfigurationError {
            ConfigurationError("cannot read configuration \(path): \(mistake.oneLine(atMost: 1_500))")
        }
        do throws(ConfigurationError) {
            if file.settings.keys.contains("kind") || file.settings.keys.contains("apiVersion") {
                try readKubeProxyConfiguration(file.settings)
            } else {
                try readOwn(file.settings)
            }
        } catch {
            throw refused("\(error)")
        }
        if let mistake = file.mistakes.first { throw refused(mistake) }
    }

    /// Reads swiftlet's own keys, which a `KubeProxyConfiguration` may have in its section `swiftlet`.
    mutating func readOwn(_ settings: SettingsSection) throws(ConfigurationError) {
        let known = Setting.keys
        for key in settings.keys where !known.contains(key) {
            let advice =
                known.nearest(to: key).map { "did you mean \($0)?" }
                ?? "known are \(known.sorted().joined(separator: ", "))"
            throw ConfigurationError("unknown key \"\(key)\"; \(advice)")
        }
        for setting in Setting.all {
            for key in setting.keys { add(setting.read(settings, key)) }
        }
    }
}
