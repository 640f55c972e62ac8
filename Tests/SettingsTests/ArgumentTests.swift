import Settings
import Testing

@Suite("kube-proxy's command line")
struct ArgumentTests {
    @Test(
        "arguments become ones that swiftlet parses",
        arguments: [
            ("run --masquerade-all", "run --masquerade-all=true"),
            ("run --masquerade-all=false --cleanup", "run --masquerade-all=false --cleanup=true"),
            ("run --masquerade-all=T --bind-protection 0", "run --masquerade-all=true --bind-protection=false"),
            ("run --bind-protection maybe", "run --bind-protection=maybe"),
            ("run --cluster_cidr=10.0.0.0/8", "run --cluster-cidr=10.0.0.0/8"),
            ("run --hostname-override a_b", "run --hostname-override a_b"),
            ("run -v=4", "run --v=4"), ("run -v4", "run --v=4"), ("run -v 4", "run --v 4"), ("run --v=4", "run --v=4"),
            ("run --conntrack-min=5 --config f", "run --without-effect conntrack-min --config f"),
            ("run --conntrack-min 5 --config f", "run --without-effect conntrack-min --config f"),
            ("run --profiling --config f", "run --without-effect profiling --config f"),
            ("run --profiling true --config f", "run --without-effect profiling --config f"),
            ("run --log_dir=/tmp", "run --without-effect log-dir"),
            ("compile --masquerade-all -o json", "compile --masquerade-all=true -o json"),
            ("run -- --masquerade-all", "run -- --masquerade-all"),
            ("services -v=4 --masquerade-all", "services -v=4 --masquerade-all"),
            ("", ""),
        ])
    func normalizes(line: String, expected: String) {
        func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }
        #expect(KubeProxyArguments.normalized(words(line)) == words(expected))
    }

    @Test("an argument with spaces or nothing in it stays one")
    func emptyValue() {
        let arguments = ["run", "--metrics-bind-address", "", "--manifests=/a b=c"]
        #expect(KubeProxyArguments.normalized(arguments) == arguments)
        #expect(KubeProxyArguments.normalized(["run", "--state-dir="]) == ["run", "--state-dir", ""])
    }
}
