import FoundationEssentials
import Glibc
import NetworkLab
import Testing

@testable import Observability

@Suite struct ListenAddressTests {
    @Test(
        "an address is a literal of either family",
        arguments: [
            ("0.0.0.0", "0.0.0.0:7", true), ("::", "[::]:7", true), ("127.0.0.1", "127.0.0.1:7", false),
            ("fd00::1", "[fd00::1]:7", false),
        ])
    func literals(host: String, shown: String, isUnspecified: Bool) throws {
        let address = try #require(ListenAddress(host: host, port: 7))
        #expect("\(address)" == shown)
        #expect(address.isUnspecified == isUnspecified)
    }

    @Test("a name is none", arguments: ["localhost", "", "[::1]", "10.0.0.1:80"])
    func names(host: String) { #expect(ListenAddress(host: host, port: 7) == nil) }
}

@Suite struct PortHolderTests {
    private static let me = PortHolder(
        pid: Int(getpid()), name: (try? String(contentsOfFile: "/proc/self/comm", encoding: .utf8))?.trimmed ?? "")

    @Test("the own process is found", arguments: ["127.0.0.1", "0.0.0.0", "::", "127.0.0.2"])
    func ownProcess(asked: String) throws {
        let stranger = try Stranger()
        let address = try #require(ListenAddress(host: asked, port: stranger.port))
        #expect(PortHolder.find(address) == (asked == "127.0.0.2" ? .nobody : .process(Self.me)))
        withExtendedLifetime(stranger) {}
    }

    @Test(
        "a listener on all addresses of both families is in the way of each of them", arguments: ["127.0.0.1", "::1"])
    func anyAddress(asked: String) throws {
        let stranger = try Stranger(on: [UInt8](repeating: 0, count: 16))
        let address = try #require(ListenAddress(host: asked, port: stranger.port))
        #expect(PortHolder.find(address) == .process(Self.me))
        withExtendedLifetime(stranger) {}
    }

    @Test("another process is found by its id and name")
    func otherProcess() throws {
        let program = """
            use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
            $| = 1; print $s->sockport, "\\n"; <STDIN>;
            """
        var child = try ChildProcess(["perl", "-e", program], input: .pipe, output: .pipe)
        let port = try #require(try child.readLine().flatMap { UInt16($0) })
        let address = try #require(ListenAddress(host: "0.0.0.0", port: port))
        #expect(PortHolder.find(address) == .process(PortHolder(pid: Int(child.pid), name: "perl")))
        child.closeInput()
        try child.wait()
        #expect(PortHolder.find(address) == .nobody)
    }
}

extension String {
    fileprivate var trimmed: String { String(prefix { $0 != "\n" }) }
}
