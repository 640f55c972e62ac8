import KubernetesAPI
package import Logging
package import ManifestDirectory
package import ServiceModel

// The forms of settings that are no plain text or number. Flags and files share them, and say the advice.

extension NodePortAddresses {
    /// `primary`, `localhost`, `all` and CIDRs, in any mixture, each text with one or several between commas.
    package init(settings: [String]) throws(SettingMistake) {
        var ranges: [CIDR] = []
        var hasPrimary = false
        let words = settings.flatMap { $0.split(separator: ",").map { String($0).withoutSpaces } }
        for word in words where !word.isEmpty {
            switch word {
            case "primary": hasPrimary = true
            case "localhost": ranges += [CIDR("127.0.0.0/8"), CIDR("::1/128")].compactMap { $0 }
            case "all":
                self = .all
                return
            default:
                guard let range = CIDR(word) else {
                    throw SettingMistake("write primary, localhost, all, or CIDRs like 192.168.0.0/16,fd00::/8")
                }
                ranges.append(range)
            }
        }
        if ranges.isEmpty {
            self = .primary
        } else {
            self = hasPrimary ? .primaryAndWithin(ranges) : .within(ranges)
        }
    }

    var settings: [String] {
        switch self {
        case .primary: ["primary"]
        case .all: ["all"]
        case .within(let ranges): ranges.map(\.description)
        case .primaryAndWithin(let ranges): ["primary"] + ranges.map(\.description)
        }
    }
}

extension LocalTrafficMode {
    package init(setting: String) throws(SettingMistake) {
        guard let mode = LocalTrafficMode(rawValue: setting) else {
            throw SettingMistake("write one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = mode
    }
}

extension CIDR {
    /// Ranges separated by commas.
    package static func list(setting: String) throws(SettingMistake) -> [CIDR] {
        var ranges: [CIDR] = []
        for text in setting.split(separator: ",") {
            guard let range = CIDR(String(text).withoutSpaces) else {
                throw SettingMistake("write CIDRs like 10.244.0.0/16,fd00:244::/64")
            }
            ranges.append(range)
        }
        return ranges
    }
}

extension IPAddress {
    package init(setting: String) throws(SettingMistake) {
        guard let address = IPAddress(setting) else { throw SettingMistake("write an IP address") }
        self = address
    }
}

extension Logger.Level {
    package init(setting: String) throws(SettingMistake) {
        guard let level = Logger.Level(rawValue: setting) else {
            throw SettingMistake("write one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = level
    }

    /// kube-proxy's `--v`, where 2 is usual, 4 shows each change and 6 everything.
    package init(verbosity: UInt32) {
        switch verbosity {
        case 0..<4: self = .info
        case 4..<6: self = .debug
        default: self = .trace
        }
    }
}

extension LogFormat {
    package init(setting: String) throws(SettingMistake) {
        guard let format = LogFormat(rawValue: setting) else { throw SettingMistake("write text or json") }
        self = format
    }
}

/// A number that the kernel takes for `oom_score_adj`.
package func oomScoreAdjustment(setting: String) throws(SettingMistake) -> Int {
    guard let number = Int(setting), (-1000...1000).contains(number) else {
        throw SettingMistake("write a number from -1000 to 1000")
    }
    return number
}

/// `A=true,B=false`, as kube-proxy takes its gates.
package func featureGates(setting: String) throws(SettingMistake) -> [String: Bool] {
    var gates: [String: Bool] = [:]
    for entry in setting.split(separator: ",") {
        let parts = entry.split(separator: "=", omittingEmptySubsequences: false).map { String($0).withoutSpaces }
        guard parts.count == 2, !parts[0].isEmpty, let value = Bool(parts[1]) else {
            throw SettingMistake("write gates like AllowServiceExternalIPs=false, separated by commas")
        }
        gates[parts[0]] = value
    }
    return gates
}

/// The name of a node as the API has it: kube-proxy trims it and makes it lower case, too.
package func nodeName(setting: String) throws(SettingMistake) -> String {
    let words = setting.split(whereSeparator: \.isWhitespace)
    guard words.count == 1 else { throw SettingMistake("write the name of a Node object") }
    return words[0].lowercased()
}

/// Refuses what is no URL of an API server.
package func checkAPIServer(setting: String) throws(SettingMistake) {
    do throws(KubernetesError) {
        _ = try APIAddress(setting)
    } catch {
        throw SettingMistake("write it like https://10.0.0.1:6443")
    }
}

extension String {
    var withoutSpaces: String { filter { !$0.isWhitespace } }
}
