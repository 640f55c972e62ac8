import Reporting
import Testing

@Suite("tables")
struct TableTests {
    private var table: Table {
        var table = Table("NAME", "FRONTENDS", "REASON")
        table.add("default/web", "10.96.0.15:80/TCP,10.96.0.16:80/TCP", "2 pods match, none ready")
        table.add("a", "-", "")
        return table
    }

    @Test("nothing is cut where there is no terminal, or a wide one", arguments: [nil, 77, 200])
    func whole(width: Int?) {
        #expect(
            table.text(fitting: width) == """
                NAME          FRONTENDS                             REASON
                default/web   10.96.0.15:80/TCP,10.96.0.16:80/TCP   2 pods match, none ready
                a             -
                """)
    }

    @Test("the widest columns are cut first, so that all lines fit", arguments: [72, 60, 50, 40])
    func fits(width: Int) {
        let lines = table.text(fitting: width).split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= width }, "\(lines)")
        #expect(lines[1].hasPrefix("default/web"))
        #expect(lines[1].contains("…"))
    }

    @Test("a last cell that hangs is told in full, below its row, where the line would be too long")
    func hangs() {
        var table = table
        table.hangsLast = true
        #expect(
            table.text(fitting: 52) == """
                NAME          FRONTENDS
                default/web   10.96.0.15:80/TCP,10.96.0.16:80/TCP
                    2 pods match, none ready
                a             -
                """)
        #expect(table.text(fitting: 77).hasSuffix("REASON\n" + table.rows(in: table.widths(fitting: 77))))
        #expect(table.text(fitting: 30).split(separator: "\n")[2] == "    2 pods match, none ready")
    }

    @Test("a column stays as wide as its title")
    func narrowest() {
        #expect(table.text(fitting: 1).split(separator: "\n")[0] == "NAME       FRONTENDS   REASON")
    }

    @Test("further rows stand in the same columns")
    func grows() {
        var more = Table("NAME", "FRONTENDS", "REASON")
        more.add("b", "10.96.0.17:80/TCP", "no endpoints")
        #expect(
            more.rows(in: table.widths(fitting: nil))
                == "b             10.96.0.17:80/TCP                     no endpoints")
    }
}
