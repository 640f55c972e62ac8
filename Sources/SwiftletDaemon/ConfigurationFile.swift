import Foundation
public import Logging
import ServiceModel
import SystemPackage
import Yams

/// The configuration file: YAML whose keys are the flags of `run` in camel case. Flags win over the file.
struct ConfigurationFile: Decodable {
    var kubeProxyReplacement: Bool?
    var manifests: [String]?
    var hostnameOverride: String?
    var nodeName: String?
    var cgroupRoot: String?
    var bpfRoot: String?
    var nodePortAddresses: [String]?
    var bindProtection: Bool?
    var maxServices: UInt32?
    var maxBackends: UInt32?
    var maxSlots: UInt32?
    var logLevel: String?
    var logFormat: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case kubeProxyReplacement, manifests, hostnameOverride, nodeName, cgroupRoot, bpfRoot, nodePortAddresses
        case bindProtection, maxServices, maxBackends, maxSlots, logLevel, logFormat
    }
}

extension Configuration {
    /// Applies the keys that a file sets; a key that is not known is an error, so that a typo is not silent.
    public mutating func apply(file path: String) throws(ConfigurationError) {
        let subject = "cannot read configuration \(path)"
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw ConfigurationError("\(subject): \(error.localizedDescription); check --config")
        }
        let file: ConfigurationFile
        do {
            let known = Set(ConfigurationFile.CodingKeys.allCases.map(\.rawValue))
            let keys = try Yams.compose(yaml: text)?.mapping?.keys.compactMap(\.string) ?? []
            if let unknown = keys.first(where: { !known.contains($0) }) {
                throw ConfigurationError(
                    "\(subject): unknown key \"\(unknown)\"; known are \(known.sorted().joined(separator: ", "))")
            }
            file = keys.isEmpty ? ConfigurationFile() : try YAMLDecoder().decode(from: text)
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw ConfigurationError(
                "\(subject): \(Self.summary(of: error)); the keys are listed in docs/operations.md")
        }
        try apply(file)
    }

    private mutating func apply(_ file: ConfigurationFile) throws(ConfigurationError) {
        kubeProxyReplacement = file.kubeProxyReplacement ?? kubeProxyReplacement
        manifests = file.manifests ?? manifests
        nodeName = file.nodeName ?? file.hostnameOverride ?? nodeName
        cgroupRoot = file.cgroupRoot.map { FilePath($0) } ?? cgroupRoot
        bpfRoot = file.bpfRoot.map { FilePath($0) } ?? bpfRoot
        bindProtection = file.bindProtection ?? bindProtection
        maxServices = file.maxServices ?? maxServices
        maxBackends = file.maxBackends ?? maxBackends
        maxSlots = file.maxSlots ?? maxSlots
        if let addresses = file.nodePortAddresses, !addresses.isEmpty {
            nodePortAddresses = try NodePortAddresses(setting: addresses.joined(separator: ","))
        }
        if let level = file.logLevel { logLevel = try Self.logLevel(level) }
        if let format = file.logFormat {
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

    private static func summary(of error: any Error) -> String {
        guard let decoding = error as? DecodingError else { return "\(error)" }
        switch decoding {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
        @unknown default:
            return "\(decoding)"
        }
    }
}
