import KubernetesObjects
import ServiceModel

/// What is wrong with how objects are written, where that is why something is missing.
extension Explainer {
    /// The same reason, unless it only says that something is missing which an object would have if it were written well.
    ///
    /// What is left out comes before what is only doubtful, and the endpoints before the Service.
    func underlying(_ reason: Reason?, of service: Service) -> Reason? {
        guard let reason, let lack = Lack(reason.code) else { return reason }
        let flaws = flaws(of: service).filter(lack.mayComeOf).sorted { $0.rank < $1.rank }
        if let flaw = flaws.first { return Reason(misspelling(of: flaw, among: flaws) ?? flaw.problem) }
        if lack.mayBeElsewhere, let double = double(of: service) { return Reason(double, after: reason.text) }
        if let kept = view.kept[service.name] {
            return Reason(
                reason.code, object: reason.object, text: "\(reason.text); \(Reason.kept(kept))",
                remedy: ReasonCode.keptFromBefore.entry.remedy)
        }
        guard lack == .everything else { return reason }
        return unread(naming: service.name.name, after: "\(service.name) has no endpoints") ?? reason
    }

    /// That something of a Service is as it was before.
    func keptSteps(_ service: Service) -> [Explanation.Step] {
        view.kept[service.name].map { [.init(text: "\(service.name) is \(Reason.kept($0))")] } ?? []
    }

    /// A field that is missing because another name is written.
    private func misspelling(of flaw: Flaw, among flaws: [Flaw]) -> StateProblem? {
        guard flaw.problem.cause == "is missing", let name = flaw.problem.field?.split(separator: ".").last else {
            return nil
        }
        return flaws.first { $0.key == flaw.key && $0.problem.advice == "write \(name)" }?.problem
    }

    /// What is left out of the Service and of its endpoints, or may be meant otherwise.
    func flaws(of service: Service) -> [Flaw] { view.flaws.filter { $0.concerns(service) } }

    /// That, what is doubtful, and what another manifest defines already.
    func remarks(on service: Service) -> [String] {
        let doubts = view.doubts.filter { $0.concerns(service) }
        let problems = (flaws(of: service) + doubts).map(\.problem) + [double(of: service)].compactMap(\.self)
        return problems.map(\.description)
    }

    /// That the Service stands in the manifests once more, where it does not count.
    func double(of service: Service) -> StateProblem? {
        view.problems.first { $0.kind == .duplicate && $0.object == "Service \(service.name)" }
    }

    /// What is wrong with the Service that would be the one that is asked for, if it could be used.
    func refusal(where isAsked: (Service) -> Bool) -> StateProblem? {
        view.flaws.first { flaw in
            guard case .service(let object) = flaw.object, state.service(named: flaw.key.name) == nil else {
                return false
            }
            return isAsked(object.service)
        }?.problem
    }

    /// That it is not known what a file defines, where this may be why something is missing.
    ///
    /// - Parameter name: of what is missing; nil if it is an address.
    func unread(naming name: String?, after lead: String) -> Reason? {
        let unread = view.problems.filter { $0.hides == .anything && $0.object?.hasPrefix("Pod ") != true }
        let suspects = name.map(unread.suspects) ?? unread.filter { $0.names != [] }
        guard let first = suspects.first else { return nil }
        if suspects.count == 1 || name != nil && first.names != nil { return Reason(first, after: lead) }
        return Reason(
            .refusedObject, text: "\(lead); \(suspects.countStatement)",
            remedy: "`swiftlet status` says what to correct")
    }
}

extension Reason {
    init(_ problem: StateProblem, after lead: String? = nil) {
        self.init(
            .refusedObject, object: problem.object ?? problem.origin,
            text: (lead.map { "\($0); " } ?? "") + problem.statement, remedy: problem.advice)
    }
}

extension Flaw {
    /// The less, the more likely it is the cause.
    fileprivate var rank: Int { (problem.kind == .doubtful ? 2 : 0) + (key.kind == .service ? 1 : 0) }
}

/// What a reason says is not there.
private enum Lack {
    /// A port or an address of the Service.
    case door
    /// Endpoints that can be used.
    case endpoints
    /// A port of theirs.
    case ports
    /// Whatever would be an endpoint.
    case everything
    /// Endpoints that are ready.
    case readiness
    /// A process that listens on the target port.
    case listener

    /// Nil for what something else has caused than how an object is written.
    init?(_ code: ReasonCode) {
        switch code {
        case .portNotServed, .otherProtocol, .nodePortUnset, .nodePortElsewhere, .notAFrontend, .addressPending,
            .noClusterIP, .sourceRange:
            self = .door
        case .labelsDiffer, .podsElsewhere, .podWithoutAddress, .otherFamily, .fqdnSlice, .notOnThisNode,
            .nodeNameUnknown, .sliceElsewhere:
            self = .endpoints
        case .sliceWithoutPorts, .portNamesDiffer, .protocolsDiffer, .targetPortName: self = .ports
        case .noSlice, .emptySlice, .noEndpoints, .noPods: self = .everything
        case .notReady: self = .readiness
        case .nothingListens: self = .listener
        default: return nil
        }
    }

    /// Another version of the Service may have it.
    var mayBeElsewhere: Bool {
        switch self {
        case .door, .ports, .everything: true
        case .endpoints, .readiness, .listener: false
        }
    }

    func mayComeOf(_ flaw: Flaw) -> Bool {
        switch self {
        case .door: flaw.key.kind == .service
        case .endpoints, .everything: true
        // An address that is left out takes no port away.
        case .ports: flaw.problem.kind != .partial || flaw.problem.field?.contains("ports") == true
        case .readiness: flaw.problem.kind != .doubtful
        case .listener: flaw.problem.advice == "write targetPort"
        }
    }
}
