import KubernetesObjects
import ManifestDirectory
import ServiceModel
import Testing

@Suite("Slices that nobody wrote")
struct SynthesisTests {
    private func slices(_ texts: String...) -> [EndpointSlice] {
        let result = ManifestLoader.load(text: texts.joined(separator: "\n---\n"))
        #expect(result.problems.filter { $0.kind != .doubtful }.map(\.description) == [])
        return result.events.compactMap { if case .slice(let slice) = $0 { slice } else { nil } }
    }

    /// One line for each endpoint, easy to compare.
    private func lines(_ slices: [EndpointSlice]) -> [String] {
        slices.flatMap { slice in
            slice.endpoints.map { endpoint in
                let ports = slice.ports.map { "\($0.name)=\($0.port)" }.joined(separator: ",")
                let state = [
                    endpoint.ready ? "ready" : nil, endpoint.serving ? "serving" : nil,
                    endpoint.terminating ? "terminating" : nil,
                ]
                return
                    "\(slice.name.name) \(endpoint.address) \(ports) \(state.compactMap { $0 }.joined(separator: "+"))"
            }
        }
    }

    private let endpoints = """
        apiVersion: v1
        kind: Endpoints
        metadata: {name: web}
        subsets:
        - addresses: [{ip: 192.0.2.53}, {ip: "2001:db8::53"}]
          notReadyAddresses: [{ip: 192.0.2.54}]
          ports: [{name: http, port: 8080}]
        - addresses: [{ip: 192.0.2.55}]
          ports: [{name: http, port: 9090}]
        """

    @Test("Endpoints are mirrored: a slice for each subset and family")
    func mirrored() {
        #expect(
            lines(slices(Manifests.service(), endpoints)) == [
                "web@endpoints-ipv4-0 192.0.2.53 http=8080 ready+serving",
                "web@endpoints-ipv4-0 192.0.2.54 http=8080 ",
                "web@endpoints-ipv6-0 2001:db8::53 http=8080 ready+serving",
                "web@endpoints-ipv4-1 192.0.2.55 http=9090 ready+serving",
            ])
    }

    @Test("Endpoints are not mirrored beside a selector, a slice, or without a Service")
    func notMirrored() {
        #expect(slices(endpoints).isEmpty)
        #expect(slices(Manifests.service(extra: "selector: {app: web}"), endpoints).isEmpty)
        #expect(slices(Manifests.service(), endpoints, Manifests.slice()).map(\.name.name) == ["web-1"])
        let exempt = endpoints.replacing(
            "{name: web}", with: "{name: web, labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}}")
        #expect(slices(Manifests.service(), exempt).isEmpty)
    }

    private func service(_ spec: String = "", target: String = "http") -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {clusterIP: 10.96.0.15, selector: {app: web}, ports: [{name: p, port: 80, targetPort: \(target)}]\(spec)}
        """
    }

    @Test("pods that match a selector become endpoints, Ready or not")
    func pods() {
        let found = slices(
            service(), Manifests.pod("a", ip: "10.244.0.11"), Manifests.pod("b", ip: "10.244.0.12", ready: false),
            Manifests.pod("c", ip: "10.244.0.13", metadata: ", deletionTimestamp: 2024-01-01T00:00:00Z"),
            Manifests.pod("d", ip: "10.244.0.14", phase: "Succeeded"),
            Manifests.pod("e", ip: "10.244.0.15", labels: "app: other"),
            Manifests.pod("f", ip: "10.244.0.16", metadata: ", namespace: other"))
        #expect(
            lines(found) == [
                "web@pods-ipv4-8080 10.244.0.11 p=8080 ready+serving",
                "web@pods-ipv4-8080 10.244.0.12 p=8080 ",
                "web@pods-ipv4-8080 10.244.0.13 p=8080 serving+terminating",
            ])
        #expect(found.first?.endpoints.first?.nodeName == "node-1")
    }

    @Test("a named target port is looked up on each pod, a number is taken as it is")
    func targetPorts() {
        let pods = [Manifests.pod("a", ip: "10.244.0.11"), Manifests.pod("b", ip: "10.244.0.12", port: 9090)]
        #expect(
            lines(slices(service(), pods[0], pods[1])) == [
                "web@pods-ipv4-8080 10.244.0.11 p=8080 ready+serving",
                "web@pods-ipv4-9090 10.244.0.12 p=9090 ready+serving",
            ])
        #expect(
            lines(slices(service(target: "7000"), pods[0])) == ["web@pods-ipv4-7000 10.244.0.11 p=7000 ready+serving"])
        #expect(lines(slices(service(target: "0"), pods[0])) == ["web@pods-ipv4-80 10.244.0.11 p=80 ready+serving"])
        #expect(lines(slices(service(target: "absent"), pods[0])) == ["web@pods-ipv4-none 10.244.0.11  ready+serving"])
    }

    @Test("publishNotReadyAddresses makes every pod ready")
    func publishNotReady() {
        let found = slices(
            service(", publishNotReadyAddresses: true"), Manifests.pod("a", ip: "10.244.0.11", ready: false))
        #expect(lines(found) == ["web@pods-ipv4-8080 10.244.0.11 p=8080 ready"])
    }

    @Test("a pod with two addresses serves the families of the Service")
    func dualStack() {
        let pod = Manifests.pod("a", ip: "10.244.0.11").replacing(
            "[{ip: 10.244.0.11}]", with: "[{ip: 10.244.0.11}, {ip: 'fd00::11'}]")
        #expect(slices(service(), pod).map(\.addressType) == [.ipv4])
        let dual = service(", ipFamilies: [IPv4, IPv6]")
        #expect(slices(dual, pod).map(\.addressType) == [.ipv4, .ipv6])
    }

    @Test("a written slice wins over pods")
    func writtenSlice() {
        let found = slices(service(), Manifests.pod("a", ip: "10.244.0.11"), Manifests.slice())
        #expect(found.map(\.name.name) == ["web-1"])
    }
}
