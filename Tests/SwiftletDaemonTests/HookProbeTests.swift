import DatapathInstall
import ServiceModel
import Testing

@Suite("the probe of the hooks")
struct HookProbeTests {
    /// Kernels before 6.1: the hook sends a refused connect to a port of loopback where nothing can listen. Here the
    /// probe asks loopback itself, for the port that it always asks for.
    @Test(
        "takes a connect that was sent to loopback for refused",
        arguments: [IPAddress(v4: 0x7f00_0001), .init(v6: 0, 1)])
    func seesRedirected(address: IPAddress) { #expect(HookProbe.connect(to: address) == .effective) }

    @Test("takes the kernel's own answer for no refusal")
    func seesUntouched() {
        // A group is no peer of TCP: the kernel says ENETUNREACH, whatever routes there are.
        #expect(HookProbe.connect(to: IPAddress(v4: 0xe000_0001)) == .ineffective)
    }
}
