import Foundation
import NameServer
import ServiceModel
import Testing

@testable import Settings
@testable import swiftlet

/// The table of settings, against the flags and the page.
@Suite("the table of settings")
struct SettingTests {
    /// No setting has its default, but for `manifests`, which does not go with a cluster.
    private static func sample() throws -> Configuration {
        var settings = ConfigurationTests.everythingElse
        settings.sockets = .host
        settings.socketDestroy.whose = .host
        settings.socketDestroy.perSecond = 7
        settings.socketDestroy.by = .netlink
        settings.packets.devices = try DeviceChoice(settings: ["eth*,!eth9"])
        settings.packets.servesClusterIPsOutside = false
        settings.packets.serviceCIDRs = try CIDR.list(setting: "10.96.0.0/12")
        settings.packets.setsSysctls = true
        settings.names.bind = try NameServerSettings.Address.binds(settings: ["192.0.2.9:5353"])
        settings.names.serviceIPs = try serviceIPs(setting: "10.96.0.10")
        settings.names.domain = "example.org"
        settings.names.timeToLive = 30
        settings.names.upstream = try NameSettings.upstream(settings: ["192.0.2.53"])
        settings.names.allowed = try CIDR.list(setting: "198.51.100.0/24")
        return settings
    }

    /// What follows the flag, once for each time that it is given.
    private func texts(_ value: SettingValue, of setting: Setting) -> [String] {
        switch value {
        case .text(let text): [text]
        case .number(let number): ["\(number)"]
        case .flag(let flag): ["\(flag)"]
        case .list(let values) where setting.flag == "apiserver": values.flatMap { texts($0, of: setting) }
        case .list(let values): [values.flatMap { texts($0, of: setting) }.joined(separator: ",")]
        case .map(let members): members.map { "\($0.key)=\($0.value.json)" }
        }
    }

    @Test("a flag and a key with the same value have the same effect, and any has one")
    func flags() throws {
        let (sample, usual) = (try Self.sample(), Configuration(nodeName: "here"))
        let (settings, command) = (Setting.all.filter { $0.flag != "manifests" }, CommandLineTests())
        var (flags, lines): ([String], [String]) = ([], [])
        for setting in settings {
            let value = try #require(setting.write(sample), "\(setting.keys)")
            #expect(value != setting.write(usual), "the sample says nothing of \(setting.keys)")
            flags += texts(value, of: setting).map { "--\(setting.flag)=\($0)" }
            lines.append("\(setting.keys[0]): \(value.json)")
        }
        let byFlags = try command.effective(flags)
        #expect(byFlags == sample.fileText)
        let file = lines.joined(separator: "\n")
        #expect(try command.effective([], file: file) == byFlags)
        #expect(try command.effective(flags, file: "maxSlots: 1") == byFlags)
        #expect(try command.effective(["--manifests=/m"]) == command.effective([], file: "manifests: [/m]"))
    }

    @Test("a flag that is true or false may stand alone", arguments: Setting.all.filter(\.isBoolean).map(\.flag))
    func alone(flag: String) {
        #expect(KubeProxyArguments.normalized(["run", "--\(flag)"]) == ["run", "--\(flag)=true"])
    }

    @Test("names are used once")
    func unique() {
        #expect(Set(Setting.keys).count == Setting.keys.count)
        #expect(Set(Setting.all.map(\.flag)).count == Setting.all.count)
        #expect(Set(Setting.all.map(\.path)).count == Setting.all.count)
        #expect(Set(Setting.all.flatMap(\.home.paths)).isDisjoint(with: KubeProxyFields.withoutEffect.keys))
    }

    /// Fields of the next version of kube-proxy's API, below `linux`, are not told of one by one.
    @Test("the page's table has each flag with its keys and fields")
    func page() throws {
        let rows = Reference.settings.rows.dropFirst()
        for row in rows {
            let flags = row[0].matches(of: #/--([a-z0-9-]+)/#).map { String($0.1) }
            let settings = Setting.all.filter { flags.contains($0.flag) }
            func names(_ cell: String) -> Set<String> {
                Set(cell.replacing(#/\([a-z]+\)/#, with: "").split { " ,–".contains($0) }.map(String.init))
            }
            if flags == ["bind-address"] { continue }
            #expect(names(row[1]) == Set(settings.flatMap(\.keys)), "\(row[0])")
            #expect(
                names(row[2]) == Set(settings.flatMap(\.home.paths).filter { !$0.hasPrefix("linux.") }), "\(row[0])")
        }
        let documented = rows.map { $0[0] }.joined(separator: " ").split { " ,".contains($0) }.map(String.init)
        for setting in Setting.all { #expect(documented.contains("--\(setting.flag)"), "\(setting.flag)") }
    }
}
