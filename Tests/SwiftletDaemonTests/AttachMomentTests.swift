import Testing

@testable import SwiftletDaemon

@Suite("When the hooks attach")
struct AttachMomentTests {
    /// What the daemon knows when it decides, and what follows.
    struct Case: CustomTestStringConvertible, Sendable {
        let needsWholeState: Bool?
        let asksAPIServer: Bool
        let hasEmptyMaps: Bool
        let moment: AttachMoment
        let testDescription: String

        init(_ description: String, _ whole: Bool?, api: Bool, empty: Bool, _ moment: AttachMoment) {
            (testDescription, needsWholeState) = (description, whole)
            (asksAPIServer, hasEmptyMaps, self.moment) = (api, empty, moment)
        }
    }

    @Test(
        "the moment follows from what is in the maps and from where the list comes",
        arguments: [
            Case("observes a cluster", nil, api: true, empty: true, .never),
            Case("observes a directory", nil, api: false, empty: true, .never),
            Case("a cluster, a fresh node", false, api: true, empty: true, .beforeList),
            Case("a cluster, after a restart", false, api: true, empty: false, .beforeList),
            Case("a cluster, another layout", true, api: true, empty: true, .afterFirstList),
            Case("a cluster, a layout of which some is copied", true, api: true, empty: false, .afterFirstList),
            Case("a directory, a fresh node", false, api: false, empty: true, .afterFirstList),
            Case("a directory, after a restart", false, api: false, empty: false, .beforeFirstWrite),
            Case("a directory, another layout", true, api: false, empty: true, .afterFirstList),
            Case("a directory, a layout of which some is copied", true, api: false, empty: false, .afterFirstList),
        ])
    func decides(example: Case) {
        let moment = AttachMoment(
            needsWholeState: example.needsWholeState, asksAPIServer: example.asksAPIServer,
            hasEmptyMaps: example.hasEmptyMaps)
        #expect(moment == example.moment)
    }
}
