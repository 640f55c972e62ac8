import FoundationEssentials
import Glibc
import NetworkLab
import Testing

@testable import Observability

@Suite struct ListenAddressTests {
    @Test(
        "bind addresses are read as kube-proxy reads them",
        arguments: [
            ("0.0.0.0:10256", "0.0.0.0:10256", true), ("[::]:10256", "[::]:10256", true),
            ("127.0.0.1:10249", "127.0.0.1:10249", false), ("[fd00::1]:1", "[fd00::1]:1", false),
            ("192.168.1.1", "192.168.1.1:7", false), ("fd00::1", "[fd00::1]:7", false), ("[::1]", "[::1]:7", false),
        ])
    func reads(text: String, shown: String, isUnspecified: Bool) throws {
        let address = try #require(try ListenAddress.parse(text, defaultPort: 7))
        #expect("\(address)" == shown)
        #expect(address.isUnspecified == isUnspecified)
    }

    @Test("nothing means not to listen")
    func nothing() throws { #expect(try ListenAddress.parse("", defaultPort: 7) == nil) }

    @Test(
        "what is wrong with an address is said",
        arguments: [
            ("localhost:10249", "\"localhost\" is not an IP address"), (":10249", "\"\" is not an IP address"),
            ("10.0.0.1:http", "\"http\" is not a port from 1 to 65535"), ("10.0.0.1:0", "\"0\" is not a port"),
            ("10.0.0.1:65536", "\"65536\" is not a port"), ("node", "\"node\" is not an IP address"),
            ("1:2:3:80", "an IPv6 address with a port needs brackets"),
        ])
    func wrong(text: String, cause: String) {
        let error = #expect(throws: ListenAddressError.self) { try ListenAddress.parse(text, defaultPort: 7) }
        #expect(error?.description.hasPrefix("cannot listen on \"\(text)\": \(cause)") == true)
    }
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
