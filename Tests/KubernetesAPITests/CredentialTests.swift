import Foundation
import Glibc
import KubernetesObjects
import ServiceModel
import LabAPIServer
import Testing

@testable import KubernetesAPI

@Suite("who we are", .timeLimit(.minutes(1)))
struct CredentialTests {
    @Test("a token file is read again when it rotates")
    func tokenFile() async throws {
        let folder = try Folder()
        try folder.write("token", "first\n")
        try await World.with {
            $0.tokens = ["first"]
        } _: { world in
            var connection = world.connection
            connection.credentials = Credentials(token: "never", tokenFile: folder.path("token"))
            try await Following.with(connection) { following in
                await world.untilWatched(by: following)
                // The API server stops to accept the old one before the new one is written.
                world.server.change { $0.tokens = ["second"] }
                await world.server.dropConnections()
                await world.server.until { $0.requests.count >= 8 }
                world.store.put(ClusterObjects.service("new", ip: "10.96.1.1"))
                try folder.write("token", "second\n")
                try await following.untilEqual(to: world.store)
                #expect(following.current.gone.isEmpty)
                #expect(world.server.observation.requests.last?.authorization == "Bearer second")
            }
        }
    }

    @Test("a client certificate is taken from its files as they are now")
    func certificateRotation() async throws {
        let folder = try Folder()
        try await World.with { world in
            let (old, new) = (
                try world.certificates.make("old", serial: 0x11), try world.certificates.make("new", serial: 0x22)
            )
            world.server.change { $0.clientAuthority = world.certificates.authority }
            await world.server.stop()
            try await world.server.start()
            try folder.copy(old.certificate, "tls.crt")
            try folder.copy(old.key, "tls.key")
            var connection = world.connection
            connection.credentials.certificate = .file(folder.path("tls.crt"))
            connection.credentials.key = .file(folder.path("tls.key"))
            try await Following.with(connection) { following in
                await world.untilWatched(by: following)
                #expect(Set(world.server.observation.requests.map(\.certificate)) == ["11"])
                try folder.copy(new.certificate, "tls.crt")
                try folder.copy(new.key, "tls.key")
                await world.server.dropConnections()
                await world.server.until { $0.requests.suffix(2).allSatisfy { $0.certificate == "22" } }
            }
        }
    }

    @Test("who has no client certificate is told so")
    func missingCertificate() async throws {
        try await World.with { world in
            world.server.change { $0.clientAuthority = world.certificates.authority }
            await world.server.stop()
            try await world.server.start()
            let error = await failure { try await snapshot(world.connection) }
            #expect(error?.cause == "it wants a client certificate" || error?.kind == .unreachable)
        }
    }

    @Test("of a bundle of authorities one that is broken costs no other")
    func brokenBundle() async throws {
        try await World.with { world in
            let good = try String(contentsOfFile: world.certificates.authority, encoding: .utf8)
            let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            var connection = world.connection
            connection.authority = .inline(Array((broken + good + broken).utf8))
            let all = try await snapshot(connection)
            #expect(all.events.count == World.objects.count)
        }
    }

    @Test("an API server of another authority is not believed, unless that was asked for")
    func authority() async throws {
        let other = try TestCertificates()
        try await World.with { world in
            var connection = world.connection
            connection.authority = .file(other.authority)
            let error = await failure { try await snapshot(connection) }
            #expect(error?.kind == .unreachable)
            #expect(error?.cause.contains("not signed by an authority that we trust") == true)
            #expect(world.server.observation.requests.isEmpty)
            connection.verifiesCertificate = false
            let all = try await snapshot(connection)
            #expect(all.events.count == World.objects.count)
        }
    }

    @Test("the name in the certificate may be another one", arguments: [("api.test", true), ("wrong.test", false)])
    func certificateName(name: String, isRight: Bool) async throws {
        try await World.with { world in
            // The address that is connected to is in the certificate, too, and counts for nothing.
            let own = try world.certificates.make("named", serial: 3, names: ["DNS:api.test", "IP:127.0.0.1"])
            world.server.change { $0.certificate = own }
            await world.server.stop()
            try await world.server.start()
            var connection = world.connection
            connection.certificateName = name
            if isRight {
                let all = try await snapshot(connection)
                #expect(all.events.count == World.objects.count)
            } else {
                #expect(await failure { try await snapshot(connection) } != nil)
            }
        }
    }

    @Test("a certificate for the address that a name leads to is not one for the name, and no credential is sent")
    func otherServer() async throws {
        try await World.with { world in
            let other = try world.certificates.make("evil", serial: 3, names: ["DNS:evil-node", "IP:127.0.0.1"])
            world.server.change { $0.certificate = other }
            await world.server.stop()
            try await world.server.start()
            var connection = world.connection.with(addresses: [
                try APIAddress("https://localhost:\(world.server.port)")
            ])
            connection.credentials.token = "secret"
            let error = await failure { try await snapshot(connection) }
            #expect(error?.cause == "its certificate is for evil-node, 127.0.0.1, not for localhost")
            #expect(error?.advice == "check the address, what DNS says of it, and tls-server-name")
            #expect(world.server.observation.requests.isEmpty)
            connection.verifiesCertificate = false
            let all = try await snapshot(connection)
            #expect(all.events.count == World.objects.count)
        }
    }

    @Test(
        "a name is matched as RFC 6125 says",
        arguments: [
            ("api.example", "api.example", true), ("API.Example.", "api.example", true),
            ("api.example", "*.example", true), ("a.b.example", "*.example", false), ("example", "*.example", false),
            (".example", "*.example", false), ("api.example", "a*.example", false), ("api.example", "*", false),
            ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false), ("fd00::1", "FD00:0::1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
        ])
    func serverName(wanted: String, made: String, isMatch: Bool) {
        #expect(ServerName(wanted).matches(ServerName(made)) == isMatch)
    }

    @Test("a refusal names the rule that is needed")
    func forbidden() async throws {
        try await World.with { world in
            world.server.inject(
                .status(403, reason: "Forbidden", message: "endpointslices is forbidden"),
                into: .init(.list, "endpointslices"))
            let error = await failure { try await snapshot(world.connection) }
            #expect(
                error?.description
                    == "cannot list endpointslices \(world.server.url): 403 Forbidden: endpointslices is forbidden; "
                    + "grant a ClusterRole with apiGroups: [\"discovery.k8s.io\"], resources: [\"endpointslices\"], "
                    + "verbs: [\"list\", \"watch\"]")
        }
    }

    @Test("a list that expires again and again ends with that")
    func expires() async throws {
        try await World.with { world in
            world.server.inject(
                .status(410, reason: "Expired", message: "too old"), into: .init(.list, "services"), times: 10_000)
            let error = await failure {
                try await KubernetesSource.snapshot(
                    world.connection, nodeName: nil, within: .seconds(20), timeouts: .patient, time: FastTime().keeper)
            }
            #expect(error?.cause == "410 Expired: too old")
        }
    }

    @Test("a plugin's token is used until it ends or is refused, and is asked for once")
    func plugin() async throws {
        let folder = try Folder()
        try await World.with {
            $0.tokens = ["token-1", "token-2", "token-3"]
        } _: { world in
            var connection = world.connection
            connection.credentials.plugin = try folder.plugin(
                """
                echo x >> "$0.runs"
                echo "$KUBERNETES_EXEC_INFO" > "$0.info"
                n=$(wc -l < "$0.runs")
                echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
                echo '"status":{"token":"token-'$n'","expirationTimestamp":"2030-01-01T00:00:00Z"}}'
                """)
            try await Following.with(connection) { [connection] following in
                await world.untilWatched(by: following)
                #expect(Set(world.server.observation.requests.map(\.authorization)) == ["Bearer token-1"])
                let info = try JSON(parsing: folder.read("plugin.info"))
                #expect(info["spec"]?["interactive"] == false)
                #expect(info["apiVersion"]?.text == connection.credentials.plugin?.apiVersion)

                world.server.change { $0.tokens = ["token-2"] }
                await world.server.dropConnections()
                await world.server.until { $0.watches.values.reduce(0, +) == 2 }
                #expect(world.server.observation.requests.last?.authorization == "Bearer token-2")
                let runs = try folder.read("plugin.runs")
                #expect(runs.count == 4)
            }
        }
    }

    @Test("a plugin runs again before its answer ends")
    func expiry() async throws {
        let folder = try Folder()
        var connection = APIConnection(addresses: [try APIAddress("https://127.0.0.1")])
        connection.credentials.plugin = try folder.plugin(
            """
            echo x >> "$0.runs"
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
            echo '"status":{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}}'
            """)
        let end = try #require(secondsSince1970("2030-01-01T00:00:00Z"))
        for (moment, runs) in [(end - 31, 1), (end - 29, 2)] {
            let keeper = IdentityKeeper(
                connection, Timekeeper(ContinuousClock(), wallClock: { moment }, chance: { 0 }))
            _ = try await keeper.identity()
            _ = try await keeper.identity()
            let count = await keeper.pluginRuns
            #expect(count == runs)
        }
    }

    @Test("a plugin that takes its time is told of, and may go on", .timeLimit(.minutes(1)))
    func slowPlugin() async throws {
        let folder = try Folder()
        var connection = APIConnection(addresses: [try APIAddress("https://127.0.0.1")])
        connection.credentials.plugin = try folder.plugin(
            """
            while [ ! -e "$0.go" ]; do sleep 0.1; done
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'
            """)
        let lines = LogLines()
        // Ten seconds of its time are one of ours.
        let keeper = IdentityKeeper(connection, FastTime().keeper, log: lines.log)
        async let identity = keeper.identity()
        while lines.all.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        try folder.write("plugin.go", "")
        #expect(try await identity.authorization == "Bearer t")
        #expect(lines.all.count == 1)
        #expect(lines.all.first?.contains("waiting for the credential plugin") == true)
        #expect(lines.all.first?.contains("command=/") == true)
    }

    static let brokenPlugins: [(String, String)] = [
        (
            "echo token expired, log in again >&2; exit 3",
            "it ended with exit code 3 and said \"token expired, log in again\""
        ),
        ("echo hello", "what it printed is no ExecCredential"),
        ("echo oops >&2", "it printed nothing and said \"oops\""),
        (
            "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{}}'",
            "its answer has neither a token nor a certificate"
        ),
        ("echo '{\"apiVersion\":\"v0\",\"status\":{\"token\":\"t\"}}'", "it answered in v0"),
        ("sleep 60 & wait", "it ran for longer than 0.3 seconds"),
        ("kill -9 $$", "signal 9 ended it"),
    ]

    @Test("a plugin that breaks is named, with what it said", arguments: CredentialTests.brokenPlugins)
    func brokenPlugin(script: String, cause: String) async throws {
        let folder = try Folder()
        var plugin = try folder.plugin(script)
        plugin.timeout = .milliseconds(script.hasPrefix("sleep") ? 300 : 20_000)
        let error = await failure { try await plugin.run() }
        #expect(error?.cause == cause)
        #expect(error?.subject == "credential plugin \(plugin.command)")
    }

    @Test("a plugin that is not installed says how to install it")
    func missingPlugin() async {
        var plugin = CredentialPlugin(command: "swl-no-such-plugin")
        plugin.installHint = "get it from example.com"
        let error = await failure { try await plugin.run() }
        #expect(
            error?.description
                == "cannot run credential plugin swl-no-such-plugin: it is not installed; get it from example.com")
    }

    @Test("a child that a plugin leaves behind is not waited for")
    func leftBehind() async throws {
        let folder = try Folder()
        let plugin = try folder.plugin(
            """
            sleep 300 &
            echo $! > "$0.pid"
            echo '{"apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t"}}'
            """)
        let credential = try await plugin.run()
        #expect(credential.token == "t")
        let pid = try #require(pid_t(try folder.read("plugin.pid").filter(\.isNumber)))
        kill(pid, SIGKILL)
    }

    /// What the body throws.
    private func failure<Result>(of body: () async throws -> Result) async -> KubernetesError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? KubernetesError
        }
    }

    private func snapshot(_ connection: APIConnection) async throws -> StateBatch {
        try await KubernetesSource.snapshot(
            connection, nodeName: nil, within: .milliseconds(100), timeouts: .patient, time: FastTime().keeper)
    }
}
