import BPFLoader
import CDatapath
import SystemPackage
import TestKit
import Testing

extension KernelTests {
    @Suite struct ObjectTests {
        @Test("an object lists its programs and maps")
        func list() throws {
            let object = try loaderObject()
            #expect(
                object.programs.map(\.name) == [
                    "ldr_config", "ldr_double", "ldr_first4", "ldr_second4", "ldr_packet", "ldr_rejected",
                ])
            #expect(object.programs.first { $0.name == "ldr_first4" }?.section == "cgroup/connect4")
            #expect(Set(object.mapNames).isSuperset(of: ["numbers", "runs", ".rodata.config"]))
        }

        @Test("settings that are written before the load reach the program")
        func config() throws {
            let object = try loaderObject()
            var config = datapath_config()
            config.host_netns_cookie = 4711
            config.has_set_retval = 1
            try object.setInitialValue(of: ".rodata.config", to: config)
            let program = try object.load().program(named: "ldr_config")
            var context: UInt64 = 0
            #expect(try program.run(context: &context) == 1)
            #expect(context == 4711)
        }

        @Test("maps and programs outlive the object that they came from")
        func outlive() throws {
            func parts() throws -> Parts {
                let loaded = try loaderObject().load()
                return Parts(
                    program: try loaded.program(named: "ldr_double"), numbers: try loaded.map(named: "numbers"),
                    runs: try loaded.map(named: "runs"))
            }
            let parts = try parts()
            var context: UInt64 = 21
            #expect(try parts.program.run(context: &context) == 0)
            #expect(context == 42)
            #expect(try parts.numbers.lookup(UInt32(0)) == UInt64(42))
            let runs: [UInt32]? = try parts.runs.lookupPerCPU(UInt32(0))
            #expect(runs?.reduce(0, +) == 1)
            try parts.runs.zeroPerCPU(UInt32(0))
            let zeroed: [UInt32]? = try parts.runs.lookupPerCPU(UInt32(0))
            #expect(zeroed?.reduce(0, +) == 0)
        }

        struct Parts: ~Copyable {
            let program: BPFProgram
            let numbers: BPFMap
            let runs: BPFMap
        }

        @Test("the size of a map is set before the load")
        func maxEntries() throws {
            let object = try loaderObject()
            try object.setMaxEntries(of: "numbers", to: 999)
            #expect(try object.load().map(named: "numbers").maxEntries == 999)
        }

        @Test("a pinned map is taken up by the next load")
        func pinned() throws {
            let directory = try PinDirectory()
            let path = directory.path.appending("numbers")
            func load() throws -> BPFMap {
                let object = try loaderObject()
                try object.setPin(of: "numbers", at: path)
                return try object.load().map(named: "numbers")
            }
            let first = try load()
            try first.update(UInt32(5), to: UInt64(55))
            let second = try load()
            #expect(second.id == first.id)
            #expect(try second.lookup(UInt32(5)) == UInt64(55))
        }

        @Test("an open map is taken up by a load")
        func reuse() throws {
            let map = try MapTests.numbers()
            let object = try loaderObject()
            try object.reuse(map, as: "numbers")
            #expect(try object.load().map(named: "test_numbers").id == map.id)
        }

        @Test("a pin of another layout is refused, and named")
        func mismatch() throws {
            let directory = try PinDirectory()
            let path = directory.path.appending("numbers")
            try MapTests.numbers(valueSize: 4).pin(at: path)
            let object = try loaderObject()
            try object.setPin(of: "numbers", at: path)
            let error = loadFailure(object)
            #expect(error?.cause == .invalidArgument)
            #expect(
                error?.description
                    == "cannot load loader.bpf.o: couldn't reuse pinned map at '\(path)': parameter mismatch; "
                    + "it is of another version: unpin it, or choose another path")
        }

        @Test("a rejected program is named with the verifier's telling line")
        func rejected() throws {
            let object = try loaderObject()
            try object.setAutoload(of: "ldr_rejected", to: true)
            let error = loadFailure(object)
            #expect(
                error?.description
                    == "cannot load loader.bpf.o: ldr_rejected rejected: R0 invalid mem access 'map_value_or_null'; "
                    + "the full log is at debug level")
            #expect(error?.log?.contains("BEGIN PROG LOAD LOG") == true)
        }

        @Test("a program that was left out is not there")
        func leftOut() throws {
            let object = try loaderObject()
            try object.setAutoload(of: "ldr_second4", to: false)
            let loaded = try object.load()
            #expect(!loaded.programs.contains { $0.name == "ldr_second4" })
            #expect(
                cause { () throws(BPFError) in _ = try loaded.program(named: "ldr_second4") }
                    == .noSuchFileOrDirectory)
            #expect(try loaded.program(named: "ldr_first4").name == "ldr_first4")
        }

        @Test("what is not an object is refused")
        func garbage() {
            let error = failure { () throws(BPFError) in
                _ = try BPFObject(name: "garbage.bpf.o", bytes: Array("not an ELF file".utf8))
            }
            #expect(error?.description.hasPrefix("cannot open garbage.bpf.o: ") == true)
        }

        @Test("wrong names and sizes are said before the load")
        func wrongNames() throws {
            let object = try loaderObject()
            #expect(
                cause { () throws(BPFError) in try object.setMaxEntries(of: "letters", to: 1) }
                    == .noSuchFileOrDirectory)
            #expect(
                failure { () throws(BPFError) in
                    try object.setInitialValue(of: ".rodata.config", to: UInt32(1))
                }?.description
                    == "cannot set .rodata.config of loader.bpf.o: it has 32 bytes, UInt32 has 4")
        }
    }

    @Suite struct ProgramTests {
        @Test("a program describes itself")
        func info() throws {
            let loaded = try loaderObject().load()
            let program = try loaded.program(named: "ldr_double")
            let info = try program.info
            #expect(info.id == program.id)
            #expect(info.name == "ldr_double")
            #expect(info.tag.count == 16)
            #expect(info.verifiedInstructions > 0)
            #expect(info.loadedAfterBoot > .zero)
            let mapIDs = [try loaded.map(named: "numbers").id, try loaded.map(named: "runs").id]
            // libbpf binds the read-only data to every program.
            #expect(Set(info.mapIDs).isSuperset(of: mapIDs))
            #expect(try BPFProgram(id: program.id).name == "ldr_double")
        }

        @Test("a packet program runs on a packet")
        func packet() throws {
            let program = try loaderObject().load().program(named: "ldr_packet")
            let packet = [UInt8](repeating: 0, count: 100)
            let run = try program.run(packet: packet, repetitions: 1_000)
            #expect(run.packet == packet)
            #expect(run.result == 100)
        }

        @Test("a cgroup program cannot be run on demand, and says so")
        func notRunnable() throws {
            let program = try loaderObject().load().program(named: "ldr_first4")
            let error = failure { () throws(BPFError) in _ = try program.run() }
            #expect(error?.description == "cannot run ldr_first4: not supported by this kernel")
        }

        @Test("runs are counted while the statistics live")
        func statistics() throws {
            let program = try loaderObject().load().program(named: "ldr_double")
            let before = try program.info.runCount
            func countRuns() throws {
                let statistics = try RunStatistics.enable()
                var context: UInt64 = 1
                for _ in 0..<10 { _ = try program.run(context: &context) }
                _ = consume statistics
            }
            try countRuns()
            #expect(try program.info.runCount == before + 10)
            #expect(try program.info.runTime > .zero)
        }

        @Test("a pinned program is opened as a program and as nothing else")
        func pin() throws {
            let directory = try PinDirectory()
            let path = directory.path.appending("double")
            let program = try loaderObject().load().program(named: "ldr_double")
            try program.pin(at: path)
            #expect(try BPFProgram(pinnedAt: path).id == program.id)
            #expect(cause { () throws(BPFError) in _ = try BPFMap(pinnedAt: path) } == .invalidArgument)
        }
    }
}
