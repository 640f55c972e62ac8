import CDatapath
import ServiceModel
import TestKit
import Testing

@testable import ServiceMaps

/// Checks that the maps hold what is desired: nothing else, nothing less and no garbage.
func expectMaps(
    in store: FakeStore, hold services: some Sequence<DesiredService>, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let programmed = try ProgrammedState.read(from: store)
    let ports = services.flatMap(\.ports)
    #expect(programmed.unreadable == 0, sourceLocation: sourceLocation)
    #expect(
        Set(programmed.ports.map(\.name)) == Set(ports.map(\.name)) && programmed.ports.count == ports.count,
        sourceLocation: sourceLocation)
    var slots: [IPFamily: Set<UInt32>] = [.v4: [], .v6: []]
    for port in ports {
        let found = try #require(programmed.ports.first { $0.name == port.name }, sourceLocation: sourceLocation)
        #expect(found.backends.map(\.entry) == port.backendEntries(found.id), sourceLocation: sourceLocation)
        #expect(Set(found.sourceRanges) == port.admittedRanges, sourceLocation: sourceLocation)
        #expect(found.frontends.map(\.key) == port.frontends.map(\.key), sourceLocation: sourceLocation)
        for (frontend, desired) in zip(found.frontends, port.frontends) {
            let expected = ServiceEntry(
                desired, of: found.id, run: frontend.entry.run, affinitySeconds: port.affinitySeconds)
            #expect(frontend.entry == expected, sourceLocation: sourceLocation)
            let met = DatapathModel(contents: store.contents).meet(desired.key)
            #expect(met == port.encounter(desired), sourceLocation: sourceLocation)
            let run = frontend.entry.run
            if run.count > 0 { slots[port.name.family]?.formUnion(run.first..<run.end) }
        }
        #expect(
            Set(found.frontends.map(\.entry.run)).filter { $0.count > 0 }.count <= 2, sourceLocation: sourceLocation)
    }
    for family in IPFamily.allCases {
        #expect(store.contents.maps[.slots(family)]?.count ?? 0 == slots[family]?.count, sourceLocation: sourceLocation)
    }
    expectShared(programmed, ports, sourceLocation)
}

private func expectShared(
    _ programmed: ProgrammedState, _ ports: [DesiredServicePort], _ sourceLocation: SourceLocation
) {
    let frontends = ports.flatMap(\.frontends)
    var vips: [IPAddress: VIPEntry] = [:]
    for address in Set(frontends.filter { $0.kind == .clusterIP }.map(\.key.address)) {
        vips[address] = VIPEntry(frontends: UInt32(frontends.count { $0.key.address == address }))
    }
    #expect(programmed.vips == vips, sourceLocation: sourceLocation)
    let nodePorts = Set(
        frontends.filter { $0.kind == .nodePort }.map { NodePortKey(port: $0.key.port, proto: $0.key.proto) })
    #expect(Set(programmed.nodePorts.keys) == nodePorts, sourceLocation: sourceLocation)
    for (key, id) in programmed.nodePorts {
        let isOwner = programmed.ports.first { $0.id == id }?.frontends.contains {
            $0.entry.kind == .nodePort && $0.key.port == key.port
        }
        #expect(isOwner == true, sourceLocation: sourceLocation)
    }
}

extension DesiredServicePort {
    var admittedRanges: Set<CIDR> {
        var ranges: Set<CIDR> = []
        for frontend in frontends {
            guard let sources = frontend.sourceRanges else { continue }
            ranges.formUnion(sources.ranges)
            if sources.admitsVIP {
                ranges.formUnion(CIDR("\(frontend.key.address)/\(name.family.bitWidth)").map { [$0] } ?? [])
            }
        }
        return ranges
    }

    func backendEntries(_ id: ServiceID) -> [BackendEntry] {
        backends.map {
            BackendEntry(
                service: id, address: $0.address, port: $0.port, proto: name.proto, state: $0.state,
                isLocal: $0.isLocal, inCluster: $0.inCluster, inLocal: $0.inLocal, zone: $0.zone ?? "")
        }
    }
}

/// Checks after every step of the kernel that each frontend is met as before or as it should be.
func expectEveryPrefixSafe(
    from start: FakeStore.Contents, _ log: some Sequence<FakeStore.Event>, to services: some Sequence<DesiredService>,
    _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
) {
    var model = DatapathModel(contents: start)
    var allowed: [FrontendKey: Set<Encounter>] = [:]
    for key in RandomCluster.frontends { allowed[key] = [model.meet(key)] }
    var wanted: Set<FrontendKey> = []
    for port in services.flatMap(\.ports) {
        for frontend in port.frontends {
            wanted.insert(frontend.key)
            allowed[frontend.key]?.insert(port.encounter(frontend))
        }
    }
    for key in RandomCluster.frontends where !wanted.contains(key) { allowed[key]?.insert(.miss) }
    for (step, event) in log.enumerated() {
        model.contents.perform(event)
        for (key, allowed) in allowed {
            let met = model.meet(key)
            if !allowed.contains(met) {
                Issue.record(
                    "\(comment): step \(step) \(event): \(met) is not in \(allowed)", sourceLocation: sourceLocation)
                return
            }
        }
    }
}

/// Who may be admitted to a frontend while it changes, and who must be.
private struct Admission {
    var key: FrontendKey
    var client: IPAddress
    var may: Bool
    var must: Bool
}

/// Checks after every step of the kernel that no client is admitted whom neither the old ranges nor the new ones
/// admit (spec 24), and, where every write succeeds, that nobody is refused whom both admit.
func expectRangesHold(
    from start: FakeStore.Contents, _ log: some Sequence<FakeStore.Event>, to services: some Sequence<DesiredService>,
    everyWriteSucceeds: Bool = true, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
) {
    var model = DatapathModel(contents: start)
    let ports = services.flatMap(\.ports)
    var admissions: [Admission] = []
    for key in RandomCluster.frontends {
        let heir = ports.first { $0.frontends.contains { $0.key == key } }
        let wanted = heir?.frontends.first { $0.key == key }
        // Ranges are a service port's. A frontend that moves meets those that its old owner has now, and those that
        // its new owner had until now.
        let others = (ports.first { $0.name == model.owner(of: key) }?.admittedRanges ?? []).union(
            heir.map { model.ranges(of: $0.name) } ?? [])
        for client in RandomCluster.clients(key.address.family) + [key.address] {
            let (before, after) = (model.admits(client, at: key), wanted?.admits(client))
            let meanwhile = others.contains { $0.contains(client) }
            admissions.append(
                Admission(
                    key: key, client: client, may: before == true || after == true || meanwhile,
                    must: everyWriteSucceeds && before == true && after == true))
        }
    }
    for (step, event) in log.enumerated() {
        model.contents.perform(event)
        for admission in admissions {
            guard let isAdmitted = model.admits(admission.client, at: admission.key) else { continue }
            guard isAdmitted ? !admission.may : admission.must else { continue }
            let what = "\(admission.client) is \(isAdmitted ? "admitted to" : "refused by") \(admission.key)"
            Issue.record("\(comment): step \(step) \(event): \(what)", sourceLocation: sourceLocation)
            return
        }
    }
}

/// Checks that nothing is pending.
func expectDone(_ report: ApplyReport, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(report.failures.isEmpty && !report.isPending, sourceLocation: sourceLocation)
}
