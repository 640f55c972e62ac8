internal import ServiceModel

/// What is to be written, by the steps in which it is.
///
/// What several service ports need from one map in one step stands together, so that it goes in one batch.
struct Plan {
    /// Those of IPv4 and IPv6 for each step.
    private var steps: [[PlannedOperation]] = Array(repeating: [], count: WriteStep.allCases.count * 2)
    /// Entries that the operations will add.
    var additions = MapFill()
    /// Service ports for which there is no room; nothing is planned for them.
    var refusals: [(owner: ServiceID, error: MapError)] = []
    /// Frontends that these service ports want no more, deleted unless another takes them over.
    var surplus: [(key: FrontendKey, owner: ServiceID)] = []

    mutating func append(
        _ operation: MapOperation, for owner: ServiceID, to step: WriteStep, _ family: IPFamily = .v4
    ) {
        let index = step.rawValue * 2 + (family == .v4 ? 0 : 1)
        steps[index].append(PlannedOperation(operation: operation, owner: owner))
    }

    /// Hands over what is to be done in a step.
    mutating func take(_ step: WriteStep) -> [PlannedOperation] {
        let index = step.rawValue * 2
        defer { (steps[index], steps[index + 1]) = ([], []) }
        return steps[index] + steps[index + 1]
    }
}
