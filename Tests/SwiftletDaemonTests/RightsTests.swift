import NameServer
import Settings
import Testing
@testable import SwiftletDaemon

/// What a process is told of its rights, and what it keeps of them.
@Suite("rights")
struct RightsTests {
    private static let needed: [Capability] = [.bpf, .networkAdministration, .performanceMonitoring]
    private static let everything = CapabilitySet(rawValue: 0x1ff_ffff_ffff)

    private static var serving: Configuration {
        var settings = Configuration(nodeName: "node-1")
        settings.kubeProxyReplacement = true
        return settings
    }

    @Test("of everything the needed ones are kept, and nothing by who only observes")
    func keepsNeeded() throws {
        #expect(try NeededRights.kept(of: Self.everything, Self.serving) == CapabilitySet(Self.needed))
        #expect(try NeededRights.kept(of: CapabilitySet(Self.needed), Self.serving) == CapabilitySet(Self.needed))
        #expect(try NeededRights.kept(of: Self.everything, Configuration(nodeName: "node-1")) == [])
        #expect(try NeededRights.kept(of: [], Configuration(nodeName: "node-1")) == [])
    }

    @Test("sockets for health checks leave descriptors for the rest of the process, and there may be thousands")
    func descriptors() {
        for limit in [64, 256, 400, 1_024, 4_096, 1 << 20] {
            let (listeners, connections) = OpenFiles.forHealthChecks(of: limit)
            #expect(listeners >= 0 && connections > 0, "\(limit)")
            #expect(limit - listeners - connections >= min(limit - 16, 600), "\(limit)")
        }
        #expect(OpenFiles.forHealthChecks(of: 8_192).listeners > 5_000)
    }

    @Test("the right to DNS's port is kept where it is asked for, and nothing is refused without it")
    func keepsPortOfDNS() throws {
        let bind = CapabilitySet([.bindService])
        var settings = Self.serving
        settings.names.bind = [NameServerSettings.Address("10.0.0.1")].compactMap { $0 }
        #expect(try NeededRights.kept(of: Self.everything, settings) == CapabilitySet(Self.needed).union(bind))
        #expect(try NeededRights.kept(of: CapabilitySet(Self.needed), settings) == CapabilitySet(Self.needed))
        settings.kubeProxyReplacement = false
        #expect(try NeededRights.kept(of: Self.everything, settings) == bind)
        settings.names.bind = [NameServerSettings.Address("10.0.0.1:5353")].compactMap { $0 }
        #expect(try NeededRights.kept(of: Self.everything, settings) == [])
    }

    @Test("what takes a thread into pods' namespaces is kept while sockets there are to be destroyed, and only then")
    func reserves() {
        let intoNamespaces = CapabilitySet([.systemAdministration, .systemPtrace])
        #expect(NeededRights.reserved(of: Self.everything, Self.serving) == intoNamespaces)
        #expect(NeededRights.reserved(of: CapabilitySet(Self.needed), Self.serving) == [])
        for change: (inout Configuration) -> Void in [
            { $0.socketDestroy.whose = .host }, { $0.socketDestroy.whose = .off }, { $0.sockets = .host },
            { $0.kubeProxyReplacement = false },
        ] {
            var settings = Self.serving
            change(&settings)
            #expect(NeededRights.reserved(of: Self.everything, settings) == [])
        }
    }

    @Test("what is missing is named, all of it, with where to add it", arguments: needed)
    func namesMissing(missing: Capability) throws {
        let others = Self.needed.filter { $0 != missing }
        let one = try #require(refusal(of: CapabilitySet(others)))
        #expect(one.contains("lacks \(missing.name) ("), "\(one)")
        #expect(!others.contains { one.contains($0.name) }, "\(one)")
        for place in ["AmbientCapabilities=", "securityContext.capabilities.add", "run as root"] {
            #expect(one.contains(place))
        }
        let all = try #require(refusal(of: []))
        #expect(Self.needed.allSatisfy { all.contains($0.name) }, "\(all)")
    }

    @Test("CAP_SYS_ADMIN stands for those that an old container runtime does not know")
    func takesSubstitute() throws {
        let old: CapabilitySet = CapabilitySet([.systemAdministration, .networkAdministration, .changeOwner])
        #expect(
            try NeededRights.kept(of: old, Self.serving)
                == CapabilitySet([.systemAdministration, .networkAdministration]))
        #expect(refusal(of: CapabilitySet([.systemAdministration])) != nil)
    }

    private func refusal(of given: CapabilitySet) -> String? {
        do throws(DaemonError) {
            _ = try NeededRights.kept(of: given, Self.serving)
            return nil
        } catch {
            return error.description
        }
    }

    @Test("capabilities are shown by name, or else by number")
    func names() {
        #expect(CapabilitySet([.bpf, .networkAdministration]).names == ["CAP_NET_ADMIN", "CAP_BPF"])
        #expect(CapabilitySet(rawValue: 1 << 13).names == ["capability 13"])
    }

    @Test(
        "kernels before 5.11 count maps as locked memory",
        arguments: [
            ("5.10.0-28-amd64", true), ("5.4.0", true), ("4.19.1", true), ("5.11.0", false),
            ("5.15.0-91-generic", false),
            ("6.1.0-18-amd64", false), ("6.18.44", false), ("unknown", false),
        ])
    func countsMaps(release: String, expected: Bool) {
        #expect(LockedMemory.countsMaps(release) == expected)
    }

    @Test("a user is a name or two numbers")
    func readsOwner() throws {
        #expect(try Owner("990:991") == Owner(user: 990, group: 991))
        #expect(try Owner("root") == Owner(user: 0, group: 0))
        for mistake in ["nobody-has-this-name", "1:", ":", "1:2:3", "-1:0"] {
            #expect(throws: DaemonError.self) { try Owner(mistake) }
        }
    }
}
