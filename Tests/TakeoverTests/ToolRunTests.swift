import Glibc
import Synchronization
import Takeover
import Testing

private final class Told: Sendable {
    let all = Mutex<[String]>([])
}

@Suite("Running the tools")
struct ToolRunTests {
    /// As a daemon does whose event loops and signal handlers have threads of their own.
    @Test("a tool starts with the default signals, whatever this process ignores or blocks")
    func signals() throws {
        let before = signal(SIGPIPE, SIG_IGN)
        var (blocked, mask) = (sigset_t(), sigset_t())
        sigemptyset(&blocked)
        sigaddset(&blocked, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &blocked, &mask)
        defer {
            pthread_sigmask(SIG_SETMASK, &mask, nil)
            signal(SIGPIPE, before)
        }
        let run = try ToolRun("/bin/sh", ["sh", "-c", "sed -nE 's/^Sig(Blk|Ign):.//p' /proc/self/status"])
        let masks = run.output.split(separator: "\n").compactMap { UInt64($0, radix: 16) }
        try #require(masks.count == 2)
        #expect(masks[0] == 0 && masks[1] & 1 << (SIGPIPE - 1) == 0, "\(run.output)")
    }

    @Test("a tool gets its input, and its two outputs are told apart")
    func streams() throws {
        let run = try ToolRun("/bin/sh", ["sh", "-c", "cat; echo sorry >&2; exit 3"], input: "text")
        #expect(run.output == "text" && run.complaint == "sorry\n" && run.exitCode == 3)
    }

    @Test("a tool that hangs is told of while it is waited for, and is killed")
    func hangs() throws {
        let told = Told()
        // Other tests may run a tool of their own meanwhile.
        ToolRun.tellOfWaiting { tool, seconds in
            if tool.hasPrefix("sleep") { told.all.withLock { $0.append("\(tool) \(seconds)") } }
        }
        let error = try #require(throws: TakeoverError.self) {
            _ = try ToolRun("/bin/sleep", ["sleep", "100"], within: 2)
        }
        #expect(error.description.contains("sleep 100: it still ran after 2 seconds"), "\(error)")
        #expect(told.all.withLock { $0 } == ["sleep 100 1"])
    }

    @Test("a program that is not there is named with the reason")
    func missing() {
        #expect(throws: TakeoverError.self) { try ToolRun("/nowhere/nft", ["nft", "list"]) }
    }
}
