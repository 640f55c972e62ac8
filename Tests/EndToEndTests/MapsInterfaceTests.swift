import Testing

private let manifests = [
    "web.yaml": ServedManifests.web, "empty.yaml": ServedManifests.empty,
    "sticky.yaml": ServedManifests.sticky(isOn: true), "brief.yaml": ServedManifests.brief,
    "local.yaml": ServedManifests.local, "headless.yaml": Manifest.service("headless", ["None"]),
]

/// The maps are an interface: what bpftool shows is what `swiftlet services` says.
@Suite("maps", .tags(.endToEnd), .endToEnd, .node(pods: 1, manifests: manifests))
struct MapsInterfaceTests {
    /// A service port of one family, as both sides tell it.
    struct Port: Hashable {
        var service: String
        var name: String
        var proto: String
        var family: Int
        var affinitySeconds: Set<Int>
        var frontends: Set<ServicesReport.Frontend>
        var backends: Set<ServicesReport.Backend>
    }

    @Test("bpftool alone rebuilds what services -o json says")
    func rebuilds() throws {
        let node = try TestNode.current
        let told = try node.services().services.flatMap { service in
            service.ports.map { port in
                Port(
                    service: "\(service.namespace)/\(service.name)", name: port.name, proto: port.protocol,
                    family: port.family, affinitySeconds: [port.affinitySeconds], frontends: Set(port.frontends),
                    backends: Set(port.backends))
            }
        }
        let rebuilt = Self.rebuild(try MapDump(of: node))
        #expect(Set(told) == Set(rebuilt))
        #expect(told.count == rebuilt.count)
        // web: 2 ports × 2 families, empty: the same, sticky: 2 families; brief, inside, outside, here: one each.
        #expect(rebuilt.count == 14)
        #expect(rebuilt.flatMap(\.affinitySeconds).reduce(0, max) == 10_800)
    }

    @Test("the slots of a front door are the backends of its service")
    func slotsNameBackends() throws {
        let dump = try MapDump(of: TestNode.current)
        for entry in dump.services {
            let run = dump.run(of: entry)
            #expect(run.isEmpty == (entry.value.action != "BALANCE"))
            for slot in run {
                let backend = dump.backends.first {
                    $0.key == slot.backend_id && $0.value.address.count == slot.address.count
                }?.value
                #expect(slot.service_id == entry.value.service_id)
                #expect(backend?.service_id == slot.service_id)
                #expect(backend?.address == slot.address)
                #expect(backend?.port == slot.port)
                #expect(backend?.protocol == entry.key.protocol)
            }
        }
    }

    @Test("maps lists every map with its fill, and dump prints them joined")
    func listsMaps() throws {
        let node = try TestNode.current
        let list: MapsReport = try Programs.decode(
            from: [Programs.swiftlet, "maps", "list", "-o", "json", "--bpf-root", node.bpfRoot])
        #expect(list.schema == 1)
        let fill = Dictionary(uniqueKeysWithValues: list.maps.map { ($0.name, $0.entries) })
        let dump = try MapDump(of: node)
        #expect(fill["service_ports"] == dump.names.count)
        #expect(fill["services4"] == dump.services.count { $0.key.address.count == 4 })
        #expect(fill["backends6"] == dump.backends.count { $0.value.address.count == 16 })

        let text = try node.swiftlet("maps", "dump").output
        #expect(text.contains("frontend [fd00:96::15]:80/TCP → default/web:http TCP IPv6 clusterIP balance cluster\n"))
        #expect(text.contains("slot 10.96.0.15:53/UDP #2 → 10.244.0.13 port 8080\n"))
    }

    private static func rebuild(_ dump: MapDump) -> [Port] {
        dump.names.map { entry in
            let (id, name) = (entry.key, entry.value)
            let doors = dump.services.filter { $0.value.service_id == id }
            let backends = dump.backends.filter { $0.value.service_id == id }
            return Port(
                service: "\(name.namespace_)/\(name.name)", name: name.port_name, proto: name.protocol,
                family: name.family, affinitySeconds: Set(doors.map(\.value.affinity_seconds)),
                frontends: Set(
                    doors.map { door in
                        ServicesReport.Frontend(
                            address: MapDump.text(door.key.address), port: Int(door.key.port),
                            protocol: door.key.protocol, kind: kinds[door.value.kind] ?? "",
                            action: door.value.action.lowercased())
                    }),
                backends: Set(
                    backends.map { backend in
                        ServicesReport.Backend(
                            address: MapDump.text(backend.value.address), port: Int(backend.value.port),
                            state: backend.value.state.lowercased())
                    }))
        }
    }

    private static let kinds = [
        "CLUSTER_IP": "ClusterIP", "NODE_PORT": "NodePort", "LOAD_BALANCER": "LoadBalancer",
        "EXTERNAL_IP": "ExternalIP",
    ]
}
