public import Logging
import ManifestDirectory
import ServiceModel
import SystemPackage

/// The keys of the configuration file, which is YAML: the flags of `run` in camel case. Flags win over the file.
private enum ConfigurationKey: String, CaseIterable {
    case kubeProxyReplacement, manifests, hostnameOverride, nodeName, cgroupRoot, bpfRoot, nodePortAddresses
    case bindProtection, maxServices, maxBackends, maxSlots, maxSourceRanges, metricsPerBackend
    case logLevel, logFormat
}

extension SettingsFile {
    fileprivate func text(_ key: ConfigurationKey) -> String? { text(key.rawValue) }
    fileprivate func flag(_ key: ConfigurationKey) -> Bool? { flag(key.rawValue) }
    fileprivate func texts(_ key: ConfigurationKey) -> [String]? { texts(key.rawValue) }
    fileprivate func count(_ key: ConfigurationKey) -> UInt32? { count(key.rawValue) }
}

extension Configuration {
    /// Applies the keys that a file sets; a key that is not known is an error, so that a typo is not silent.
    public mutating func apply(file path: String) throws(ConfigurationError) {
        let file: SettingsFile
        do throws(ManifestSourceError) {
            file = try SettingsFile(path)
        } catch {
            throw ConfigurationError("\(error)")
        }
        let subject = "cannot read configuration \(path)"
        if let unknown = file.keys.first(where: { ConfigurationKey(rawValue: $0) == nil }) {
            let known = ConfigurationKey.allCases.map(\.rawValue).sorted().joined(separator: ", ")
            throw ConfigurationError("\(subject): unknown key \"\(unknown)\"; known are \(known)")
        }
        try apply(file)
        if let mistake = file.mistakes.first { throw ConfigurationError("\(subject): \(mistake)") }
    }

    private mutating func apply(_ file: SettingsFile) throws(ConfigurationError) {
        kubeProxyReplacement = file.flag(.kubeProxyReplacement) ?? kubeProxyReplacement
        manifests = file.texts(.manifests) ?? manifests
        nodeName = file.text(.nodeName) ?? file.text(.hostnameOverride) ?? nodeName
        cgroupRoot = file.text(.cgroupRoot).map { FilePath($0) } ?? cgroupRoot
        bpfRoot = file.text(.bpfRoot).map { FilePath($0) } ?? bpfRoot
        bindProtection = file.flag(.bindProtection) ?? bindProtection
        maxServices = file.count(.maxServices) ?? maxServices
        maxBackends = file.count(.maxBackends) ?? maxBackends
        maxSlots = file.count(.maxSlots) ?? maxSlots
        maxSourceRanges = file.count(.maxSourceRanges) ?? maxSourceRanges
        metricsPerBackend = file.flag(.metricsPerBackend) ?? metricsPerBackend
        if let addresses = file.texts(.nodePortAddresses), !addresses.isEmpty {
            nodePortAddresses = try NodePortAddresses(setting: addresses.joined(separator: ","))
        }
        if let level = file.text(.logLevel) { logLevel = try Self.logLevel(level) }
        if let format = file.text(.logFormat) {
            guard let known = LogFormat(rawValue: format) else {
                throw ConfigurationError("cannot use logFormat \"\(format)\": write text or json")
            }
            logFormat = known
        }
    }

    public static func logLevel(_ text: String) throws(ConfigurationError) -> Logger.Level {
        guard let level = Logger.Level(rawValue: text) else {
            let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw ConfigurationError("cannot use log level \"\(text)\": write one of \(known)")
        }
        return level
    }
}
