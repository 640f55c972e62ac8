import ManifestDirectory
import Settings
import Testing

@Suite("patterns of cgroups")
struct CgroupPatternTests {
    private func names(_ pattern: String, _ path: String) throws -> Bool {
        var progress: CgroupPattern.Progress? = try CgroupPattern(setting: pattern).start
        for part in path.split(separator: "/") { progress = progress?.entering(String(part)) }
        return progress?.isMatch ?? false
    }

    private static let uid = "0b5e4c1a-9d57-4d0e-8d3c-1f2a3b4c5d6e"

    @Test(
        "a pattern names directories, part by part",
        arguments: [
            ("a", "a", true), ("a", "b", false), ("a", "a/b", false), ("a/b", "a", false), ("/a/b/", "a/b", true),
            ("a/*", "a/b", true), ("a/*", "a/b/c", false), ("a.slice/b*", "a.slice/b@1.service", true),
            ("a/**", "a", true), ("a/**", "a/b/c", true), ("**/c", "c", true), ("**/c", "a/b/c", true),
            ("**/c", "a/b/d", false), ("a/**/c", "a/c", true), ("a/**/c", "a/b/b/c", true), ("a/**/**/c", "a/c", true),
            ("a[12]", "a2", true), ("a[12]", "a3", false), (#"a\x2d?"#, #"a\x2db"#, true),
        ])
    func matches(pattern: String, path: String, isNamed: Bool) throws {
        #expect(try names(pattern, path) == isNamed)
    }

    @Test(
        "one pattern names a pod, whichever driver made its cgroup",
        arguments: [
            "kubepods/burstable/pod\(uid)", "kubepods/pod\(uid)",
            "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod\(uid.replacing("-", with: "_")).slice",
        ])
    func pod(path: String) throws {
        #expect(try names("**/*pod0b5e4c1a?9d57*", path))
    }

    @Test(
        "a list, and what is none",
        arguments: ["a//b", "../a", "a/./b", "/", "**", "a,,b/..", "{a,b}/c", "/sys/fs/cgroup/a"])
    func refuses(setting: String) throws {
        #expect(try CgroupPattern.list(setting: "a/b, /c/**/d").map(\.description) == ["a/b", "c/**/d"])
        #expect(try CgroupPattern.list(setting: "a b/c ").map(\.description) == ["a b/c"])
        #expect(try CgroupPattern.list(setting: "") == [])
        #expect(throws: SettingMistake.self) { try CgroupPattern.list(setting: setting) }
    }
}
