@testable import BPFLoader
import SystemPackage
import Testing

/// What people read, and what is parsed: no kernel needed.
@Suite struct TextTests {
    @Test(
        "an error says what happened, to which object, and what to do",
        arguments: [
            (
                BPFError(.attach, "swl_connect4 to cgroup /sys/fs/cgroup", .notPermitted),
                "cannot attach swl_connect4 to cgroup /sys/fs/cgroup: operation not permitted; "
                    + "grant CAP_BPF and CAP_NET_ADMIN"
            ),
            (
                BPFError(
                    .update, "backends4 with 41 → 10.1.0.5:8080/TCP", .argListTooLong, detail: "map is full (65536)",
                    advice: "raise --max-backends"),
                "cannot update backends4 with 41 → 10.1.0.5:8080/TCP: map is full (65536); raise --max-backends"
            ),
            (
                BPFError(.run, "swl_connect4", Errno(rawValue: 524)),
                "cannot run swl_connect4: not supported by this kernel"
            ),
            (
                BPFError(.open, "map at /sys/fs/bpf/x", .noSuchFileOrDirectory),
                "cannot open map at /sys/fs/bpf/x: no such file or directory"
            ),
        ])
    func errors(error: BPFError, text: String) {
        #expect("\(error)" == text)
    }

    @Test("the telling line of a verifier log is the last one that is not statistics")
    func verifierLog() {
        let log = """
            libbpf: prog 'swl_connect4': BPF program load failed: Permission denied
            libbpf: prog 'swl_connect4': -- BEGIN PROG LOAD LOG --
            0: R1=ctx(off=0,imm=0) R10=fp0
            R2 invalid mem access 'scalar'
            processed 5 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
            -- END PROG LOAD LOG --
            libbpf: prog 'swl_connect4': failed to load: -13
            libbpf: failed to load object 'sock.bpf.o'

            """
        #expect(LoadLog(text: log).reason == "swl_connect4 rejected: R2 invalid mem access 'scalar'")
        #expect(LoadLog(text: log).hasVerifierLog)
    }

    @Test("without a verifier log, libbpf's last words are the reason")
    func libbpfLog() {
        let log = "libbpf: map 'numbers': bad\nlibbpf: failed to load object 'sock.bpf.o'\n"
        #expect(LoadLog(text: log).reason == "map 'numbers': bad")
        #expect(LoadLog(text: "").reason == nil)
    }

    @Test(
        "cgroup2 is found where it is mounted",
        arguments: [
            ("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"),
            (
                """
                31 24 0:27 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro
                32 31 0:28 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw
                33 31 0:29 / /sys/fs/cgroup/cpu rw shared:11 - cgroup cgroup rw,cpu
                """, "/sys/fs/cgroup/unified"
            ),
            (
                """
                32 31 0:28 /pod /inside rw - cgroup2 cgroup2 rw
                33 31 0:28 / /all\\040of\\040it rw - cgroup2 cgroup2 rw
                """, "/all of it"
            ),
            ("32 31 0:28 /pod /inside rw - cgroup2 cgroup2 rw", "/inside"),
            ("31 24 0:27 / / rw - ext4 /dev/vda rw", nil),
        ] as [(String, FilePath?)])
    func mountInfo(text: String, root: FilePath?) {
        #expect(CgroupFileSystem.root(inMountInfo: text) == root)
    }

    @Test(
        "a process is below a cgroup or not",
        arguments: [
            ("12:cpu:/a\n0::/kubepods/pod1\n", "/sys/fs/cgroup", true), ("0::/\n", "/sys/fs/cgroup", true),
            ("0::/kubepods/pod1\n", "/sys/fs/cgroup/kubepods", true),
            ("0::/kubepods2\n", "/sys/fs/cgroup/kubepods", false),
            ("0::/\n", "/sys/fs/cgroup/kubepods", false), ("0::/../../x\n", "/sys/fs/cgroup/kubepods", false),
            ("1:cpu:/a\n", "/sys/fs/cgroup", nil),
        ] as [(String, FilePath, Bool?)])
    func isBelow(text: String, cgroup: FilePath, expected: Bool?) {
        #expect(CgroupFileSystem.contains(line: text, mountedAt: "/sys/fs/cgroup", below: cgroup) == expected)
    }
}
