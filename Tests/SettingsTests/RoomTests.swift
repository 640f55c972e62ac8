import CDatapath
import Settings
import Testing

@Suite("What settings say of the programs")
struct RoomTests {
    @Test("the programs have room for as many ranges as the settings may name")
    func ranges() { #expect(PacketSettings.mostRanges == Int(LB_RANGES)) }
}
