internal import ServiceModel

/// Service ports that have to become what is desired, or have to go.
///
/// Those that could not be written wait for their turn, which comes later each time: after one turn, two, four, eight,
/// and then every twelve. What a change costs does not depend on how many wait.
struct UnfinishedPorts {
    private struct Wish {
        /// Where it stands in the order in which Services came.
        var place: Int
        var ports: [DesiredServicePort]
        /// How often it has been tried again.
        var attempts = 0
        /// The turn in which it is tried again.
        var due = 0
    }

    private var desired: [ObjectName: Wish] = [:]
    private var nextPlace = 0
    /// What is due in this turn and was not handed over yet, the first one last.
    private var queue: [ObjectName] = []
    /// How many of the ports claim each frontend.
    private var claims: [FrontendKey: Int] = [:]
    var removals: Set<ServiceID> = []

    var isEmpty: Bool { desired.isEmpty && removals.isEmpty }

    /// The desired ports, Services in the order in which they came.
    var ports: some Sequence<DesiredServicePort> {
        desired.values.sorted { $0.place < $1.place }.lazy.flatMap(\.ports)
    }

    /// Of the desired ports, in any order.
    var names: some Sequence<ServicePortName> { desired.values.lazy.flatMap(\.ports).map(\.name) }

    /// Whether a desired port has this frontend.
    func claims(_ key: FrontendKey) -> Bool { claims[key] != nil }

    private mutating func put(_ wish: Wish, of service: ObjectName) {
        forget(service)
        desired[service] = wish
        for port in wish.ports {
            for frontend in port.frontends { claims[frontend.key, default: 0] += 1 }
        }
    }

    @discardableResult
    private mutating func forget(_ service: ObjectName) -> Wish? {
        guard let wish = desired.removeValue(forKey: service) else { return nil }
        for key in wish.ports.lazy.flatMap(\.frontends).map(\.key) {
            guard let count = claims[key] else { continue }
            claims[key] = count > 1 ? count - 1 : nil
        }
        return wish
    }

    private mutating func newPlace() -> Int {
        defer { nextPlace += 1 }
        return nextPlace
    }

    /// Keeps those of other work that are in this set, for a turn after this one.
    mutating func keep(_ names: Set<ServicePortName>, of work: UnfinishedPorts, turn: Int) {
        guard !names.isEmpty else { return }
        for (service, wish) in work.desired.sorted(by: { $0.value.place < $1.value.place }) {
            let left = wish.ports.filter { names.contains($0.name) }
            guard !left.isEmpty else { continue }
            let place = desired[service]?.place ?? newPlace()
            let pause = min(1 << min(wish.attempts, 4), 12)
            put(Wish(place: place, ports: left, attempts: wish.attempts + 1, due: turn + pause), of: service)
        }
    }

    /// Hands over everything.
    mutating func takeAll() -> UnfinishedPorts {
        defer { self = UnfinishedPorts() }
        return self
    }

    /// Of the turn that has begun, nothing is left to be handed over.
    var isTurnOver: Bool { queue.isEmpty }

    mutating func begin(turn: Int) {
        queue = desired.filter { $0.value.due <= turn }.sorted { $0.value.place > $1.value.place }.map(\.key)
    }

    /// Hands over so many Services of what is due in the turn that has begun, and keeps the rest.
    mutating func takeDue(inTurn turn: Int, atMost count: Int) -> UnfinishedPorts {
        var due = UnfinishedPorts()
        due.removals = removals
        removals = []
        for service in queue.suffix(count).reversed() {
            // What is wanted of it may have been said anew since the turn began.
            guard let wish = desired[service], wish.due <= turn else { continue }
            forget(service)
            due.put(wish, of: service)
            due.nextPlace = max(due.nextPlace, wish.place + 1)
        }
        queue.removeLast(min(count, queue.count))
        return due
    }

    /// What is wanted of a Service is said anew.
    mutating func supersede(_ service: ObjectName, _ ids: [ServiceID]) {
        forget(service)
        removals.subtract(ids)
    }

    mutating func remove(_ service: ObjectName, _ ids: [ServiceID]) {
        forget(service)
        removals.formUnion(ids)
    }

    /// The ports of a Service that it has no more go away.
    mutating func replace(_ service: DesiredService, _ ids: [ServiceID], _ mirror: Mirror) {
        let place = desired[service.name]?.place ?? newPlace()
        put(Wish(place: place, ports: service.ports), of: service.name)
        removals.formUnion(ids)
        guard !ids.isEmpty, !service.ports.isEmpty else { return }
        let names = Set(service.ports.map(\.name))
        for id in ids {
            if let name = mirror.records[id]?.name, names.contains(name) { removals.remove(id) }
        }
    }
}
