import ServiceMaps
import ServiceModel

// More room: the programs on larger maps in the place of those that serve.
extension DeviceKeeper {
    /// Loads the programs once more, on larger maps.
    func prepare(pins: DatapathPins, capacities: MapCapacities) throws {
        var next = DevicePrograms(settings: programs.settings)
        (next.settings.pins, next.settings.capacities) = (pins, capacities)
        for kind in programs.loaded.keys { try next.load(kind, detector) }
        spare = next
    }

    /// Puts what was prepared in the place of what is attached. If a device refuses that was served before, all of them
    /// get back what they had.
    func swap() throws {
        let failuresBefore = failures
        exchange()
        guard let failure = failures.first(where: { failuresBefore[$0.key] == nil }) else {
            isSwapping = true
            return
        }
        swapBack()
        throw InstallError(.attachRefused, "\(failure.key) keeps its programs: \(failure.value)")
    }

    /// Puts back what was there.
    func swapBack() {
        isSwapping = false
        exchange()
        spare = nil
    }

    /// The larger maps are in their place: what changed meanwhile has its turn.
    func settle(on pins: DatapathPins) {
        programs.settings.pins = pins
        spare = nil
        isSwapping = false
        reconcile()
    }

    private func exchange() {
        guard let next = spare else { return }
        (programs, spare) = (next, programs)
        reconcile()
    }
}
