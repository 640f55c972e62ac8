public import Logging
public import ServiceModel
public import SystemPackage

/// Everything that `swiftlet run` can be told, by flags or by the keys of a configuration file.
public struct Configuration: Sendable {
    /// False: observe, and program nothing.
    public var kubeProxyReplacement = false
    public var manifests: [String] = []
    /// The name that endpoints' `nodeName` is compared with (spec 8).
    public var nodeName: String
    /// Nil: the root of the cgroup2 hierarchy, found in mountinfo.
    public var cgroupRoot: FilePath?
    public var bpfRoot: FilePath = Configuration.defaultBPFRoot
    public var nodePortAddresses: NodePortAddresses = .primary
    public var bindProtection = true
    public var maxServices: UInt32 = 65_536
    public var maxBackends: UInt32 = 131_072
    public var maxSlots: UInt32 = 262_144
    public var maxSourceRanges: UInt32 = 65_536
    /// Counts the connections of each backend.
    public var metricsPerBackend = false
    public var logLevel: Logger.Level = .info
    public var logFormat: LogFormat = .text

    public static let defaultBPFRoot: FilePath = "/sys/fs/bpf/swiftlet"

    public init(nodeName: String) { self.nodeName = nodeName }
}

/// How log lines are written.
public enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json
}

/// A setting that cannot be used: what it is, what is wrong and what to do.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
    public var description: String

    public init(_ description: String) { self.description = description }
}

extension NodePortAddresses {
    /// `primary`, `all`, or a list of CIDRs separated by commas.
    public init(setting: String) throws(ConfigurationError) {
        switch setting {
        case "primary": self = .primary
        case "all": self = .all
        default:
            var ranges: [CIDR] = []
            for text in setting.split(separator: ",") {
                guard let range = CIDR(String(text.filter { $0 != " " })) else {
                    throw ConfigurationError(
                        "cannot use nodeport addresses \"\(setting)\": \"\(text)\" is not a CIDR; "
                            + "write primary, all, or CIDRs like 192.168.0.0/16,fd00::/8")
                }
                ranges.append(range)
            }
            self = .within(ranges)
        }
    }
}
