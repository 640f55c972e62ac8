import KubernetesObjects
import ServiceModel

/// A selector that finds nothing that can be used.
extension Explainer {
    func matching(_ selector: [String: String], in namespace: String?) -> [PodView] {
        view.pods.filter { pod in
            (namespace == nil || pod.name.namespace == namespace) && pod.matches(selector)
        }
    }

    func pods(_ route: Route) -> Reason {
        let name = route.service.name
        let selector = route.service.selector ?? [:]
        let matching = matching(selector, in: name.namespace)
        if !matching.isEmpty { return unusable(matching, route) }
        if let other = self.matching(selector, in: nil).first {
            return Reason(
                .podsElsewhere, object: "Service \(name)",
                text:
                    "pods with these labels are in namespace \(other.name.namespace) (\(other.name.name)), the Service is in "
                    + name.namespace,
                remedy: "create the Service in namespace \(other.name.namespace)")
        }
        if let near = almost(selector, in: name.namespace) { return near }
        let text = selector.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        if view.pods.isEmpty && !view.unseen.isEmpty {
            return Reason(
                .noSlice, object: "Service \(name)", text: "\(name) has no endpoints, and pods cannot be seen")
        }
        return Reason(
            .noPods, object: "Service \(name)", text: "no pod in namespace \(name.namespace) has the labels \(text)",
            remedy: "correct spec.selector, or start the pods")
    }

    /// Pods that match, and are in no slice.
    private func unusable(_ pods: [PodView], _ route: Route) -> Reason {
        let texts = pods.prefix(4).map { "\($0.name.name) (\($0.stateText))" }
        let count = pods.count
        let list = texts.joined(separator: ", ") + (count > 4 ? ", …" : "")
        let pod = "Pod \(pods[0].name)"
        let title = "\(count) \(count == 1 ? "pod matches" : "pods match"), none usable: \(list)"
        let remedy = pods.lazy.compactMap(\.remedy).first
        switch pods[0].obstacle {
        case let code?: return Reason(code, object: pod, text: title, remedy: remedy)
        case nil:
            let families = route.port.name.family
            if pods.allSatisfy({ pod in !pod.addresses.contains { $0.family == families } }) {
                return Reason(
                    .otherFamily, object: pod,
                    text: "\(pods[0].name.name) has no \(families == .v4 ? "IPv4" : "IPv6") address",
                    remedy: "see ipFamilies of the Service and the pod network")
            }
            return Reason(
                .noSlice, object: "Service \(route.service.name)",
                text:
                    "\(count) \(count == 1 ? "pod matches" : "pods match"), and no EndpointSlice names \(pods[0].name.name)",
                remedy: "see that kube-controller-manager runs, or write the slice")
        }
    }

    /// A pod that has all the labels but one: the one whose label is nearest.
    private func almost(_ selector: [String: String], in namespace: String) -> Reason? {
        let misses = view.pods.compactMap { pod in
            pod.name.namespace == namespace && !pod.isOver ? LabelMiss(pod, of: selector) : nil
        }
        guard let near = misses.min(by: { $0.distance < $1.distance }) else { return nil }
        let said = near.value.map { "has \(near.key)=\($0)" } ?? "lacks the label \(near.key)"
        return Reason(
            .labelsDiffer, object: "Pod \(near.pod)",
            text: "\(near.pod.name) \(said), spec.selector wants \(near.key)=\(near.wanted)",
            remedy: "correct the label of the pod, or spec.selector")
    }
}

/// The one label that keeps a selector from finding a pod.
private struct LabelMiss {
    var pod: ObjectName
    var key: String
    var wanted: String
    /// What the pod has instead, if anything.
    var value: String?

    /// Nil for a pod that has nothing to do with the selector: of one label alone only a slip of the pen is a near miss.
    init?(_ pod: PodView, of selector: [String: String]) {
        let missing = selector.filter { pod.labels[$0.key] != $0.value }
        guard missing.count == 1, let (key, wanted) = missing.first else { return nil }
        self.pod = pod.name
        self.key = key
        self.wanted = wanted
        value = pod.labels[key]
        if selector.count == 1, !isSlip { return nil }
    }

    /// A label that is not there is farther than any other.
    var distance: Int { value.map(wanted.editDistance) ?? .max }

    private var isSlip: Bool {
        guard let value, distance < wanted.count else { return false }
        return distance <= (wanted.count > 4 ? 2 : 1) && !isSibling(value)
    }

    /// `api-1` of `api-2`: another one of several, which is meant as it is.
    private func isSibling(_ value: String) -> Bool {
        let (one, other) = (wanted.trailingDigits, value.trailingDigits)
        return !one.isEmpty && !other.isEmpty && wanted.dropLast(one.count) == value.dropLast(other.count)
    }
}

extension String {
    fileprivate var trailingDigits: String { String(reversed().prefix(while: \.isNumber)) }
}
