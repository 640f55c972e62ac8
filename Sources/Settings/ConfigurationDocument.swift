import SystemCalls

/// A value of a written configuration.
indirect enum SettingValue: Sendable, Hashable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([SettingValue])
    case map([Member])

    struct Member: Sendable, Hashable {
        var key: String
        var value: SettingValue
    }

    /// Sorted by name.
    static func map(_ members: [String: SettingValue]) -> SettingValue {
        .map(members.map { Member(key: $0, value: $1) }.sorted { $0.key < $1.key })
    }

    /// Maps within maps, by the parts of the paths.
    fileprivate static func tree(_ leaves: [(path: [Substring], value: SettingValue)]) -> SettingValue {
        let members = Dictionary(grouping: leaves) { $0.path[0] }.map { name, leaves in
            let own = leaves.first { $0.path.count == 1 }?.value
            return (String(name), own ?? tree(leaves.map { (Array($0.path.dropFirst()), $0.value) }))
        }
        return .map(Dictionary(uniqueKeysWithValues: members))
    }
}

extension Configuration {
    /// The effective configuration as a file that `--config` reads back: a `KubeProxyConfiguration`, and below
    /// `swiftlet` what has no home there.
    package var fileText: String {
        "# written by swiftlet run --write-config-to\n" + document.yaml(indented: "")
    }

    /// What `/configz` answers: JSON in kube-proxy's shape (spec 47).
    package func configzBody() -> String {
        SettingValue.map([.init(key: "kubeproxy.config.k8s.io", value: document)]).json
    }

    /// The settings that are not as in another configuration: `devices (--devices)`. A KubeProxyConfiguration has other keys for some.
    package func settings(unlike other: Configuration) -> [String] {
        Setting.all.filter { $0.write(self) != $0.write(other) }.map { "\($0.keys[0]) (--\($0.flag))" }.sorted()
    }

    private var document: SettingValue {
        var leaves: [(path: [Substring], value: SettingValue)] = [
            (["apiVersion"], .text("kubeproxy.config.k8s.io/v1alpha1")), (["kind"], .text("KubeProxyConfiguration")),
        ]
        for setting in Setting.all {
            if let value = setting.write(self) { leaves.append((setting.path.split(separator: "."), value)) }
        }
        return .tree(leaves)
    }
}

extension SettingValue {
    var json: String {
        switch self {
        case .list(let values): "[\(values.map(\.json).joined(separator: ","))]"
        case .map(let members):
            "{\(members.map { "\(JSONText.string($0.key)):\($0.value.json)" }.joined(separator: ","))}"
        case .text(let text): JSONText.string(text)
        case .number(let number): "\(number)"
        case .flag(let flag): "\(flag)"
        }
    }

    /// Lines of YAML; a scalar is written as in JSON, which YAML contains.
    fileprivate func yaml(indented indentation: String) -> String {
        guard case .map(let members) = self else { return indentation + json + "\n" }
        return members.map { member in
            guard case .map(let inner) = member.value, !inner.isEmpty else {
                return "\(indentation)\(member.key): \(member.value.json)\n"
            }
            return "\(indentation)\(member.key):\n" + member.value.yaml(indented: indentation + "  ")
        }.joined()
    }
}
