import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Supervision

/// What a child has written so far.
private final class Written: Sendable {
    private let bytes = Mutex((output: [UInt8](), errors: [UInt8]()))

    func add(_ stream: ChildProcess.Stream, _ more: ArraySlice<UInt8>) {
        bytes.withLock { bytes in
            switch stream {
            case .output: bytes.output += more
            case .errors: bytes.errors += more
            }
        }
    }

    var output: String { String(decoding: bytes.withLock { $0.output }, as: UTF8.self) }
    var errors: String { String(decoding: bytes.withLock { $0.errors }, as: UTF8.self) }

    func waitForOutput(_ text: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !output.contains(text), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(5)) }
        #expect(output.contains(text))
    }
}

@Suite("The application's process")
struct ChildProcessTests {
    private static let path = ["PATH": "/usr/local/bin:/usr/bin:/bin"]

    private func shell(
        _ script: String,
        _ written: Written,
        environment: [String: String] = [:],
        in directory: String? = nil
    ) throws -> ChildProcess {
        try ChildProcess(
            running: ["/bin/sh", "-c", script],
            environment: Self.path.merging(environment) { $1 },
            in: directory,
            output: written.add
        )
    }

    @Test("both streams arrive whole, apart, and before its end is told")
    func output() async throws {
        let written = Written()
        let child = try shell("echo out; echo err >&2; head -c 300000 /dev/zero | tr '\\0' x; exit 7", written)
        let status = await child.exitStatus()
        #expect(status == .exited(7))
        #expect(status.shellCode == 7)
        #expect(child.finishedStatus == .exited(7))
        #expect(written.output == "out\n" + String(repeating: "x", count: 300_000))
        #expect(written.errors == "err\n")
    }

    @Test("it has the environment it is given and nothing else, the directory, and no input")
    func surroundings() async throws {
        try await withTemporaryDirectory { directory in
            let written = Written()
            let child = try shell(
                "pwd -P; echo $A-$HOME-; cat; echo end",
                written,
                environment: ["A": "1 2"],
                in: directory
            )
            #expect(await child.exitStatus() == .exited(0))
            #expect(written.output == "\(directory)\n1 2--\nend\n")
        }
    }

    @Test("it is in a process group of its own, ignores no signal, and has no descriptor of ours")
    func isolation() async throws {
        signal(SIGPIPE, SIG_IGN)
        let written = Written()
        let child = try shell("ps -o pgid= -p $$; grep SigIgn /proc/$$/status; ls /proc/$$/fd | wc -l", written)
        _ = await child.exitStatus()
        let lines = written.output.split(separator: "\n").map { $0.filter { !$0.isWhitespace } }
        #expect(lines.first == String(child.pid))
        // The C library keeps two signals beyond the first 31 to itself.
        let ignored = try #require(lines.dropFirst().first.flatMap { UInt64($0.dropFirst("SigIgn:".count), radix: 16) })
        #expect(ignored & 0x7FFF_FFFF == 0)
        #expect(try #require(lines.last.flatMap { Int($0) }) <= 4)
    }

    @Test("a program that isn't there, or is none, is told as a shell would")
    func unrunnable() throws {
        let missing = #expect(throws: SupervisionError.self) {
            _ = try ChildProcess(running: ["no-such-program"], environment: Self.path) { _, _ in }
        }
        #expect(missing?.shellCode == 127)
        #expect(missing?.message == "can't run no-such-program: No such file or directory")
        let directory = #expect(throws: SupervisionError.self) {
            _ = try ChildProcess(running: ["/tmp"], environment: Self.path) { _, _ in }
        }
        #expect(directory?.shellCode == 126)
    }

    @Test("a stop is SIGTERM to all that it started")
    func gentleStop() async throws {
        let written = Written()
        let child = try shell(
            "trap 'echo bye; exit 3' TERM; sleep 60 & echo $! ready; while :; do sleep 0.01; done",
            written
        )
        try await written.waitForOutput("ready")
        let grandchild = try #require(pid_t(written.output.prefix { $0 != " " }))
        #expect(await child.stop() == .exited(3))
        #expect(written.output.hasSuffix("bye\n"))
        #expect(kill(grandchild, 0) != 0)
    }

    @Test("what doesn't end in time is killed")
    func hardStop() async throws {
        let written = Written()
        let child = try shell("trap '' TERM; echo ready; while :; do sleep 0.01; done", written)
        try await written.waitForOutput("ready")
        let status = await child.stop(grace: .milliseconds(200))
        #expect(status == .killed(signal: SIGKILL))
        #expect(status.shellCode == 137)
        #expect(status.words == "was killed by signal 9 (Killed)")
    }

    @Test("a guardian ends the group of an owner that is gone, and nothing once it is dismissed")
    func guardian() async throws {
        let written = Written()
        let left = try shell("sleep 300 & echo up; wait", written)
        try await written.waitForOutput("up")
        let guardian = try GroupGuardian(of: left.pid)
        guardian.abandon()
        #expect(await left.exitStatus() == .killed(signal: SIGTERM))

        let other = Written()
        let kept = try shell("echo up; sleep 300", other)
        try await other.waitForOutput("up")
        try GroupGuardian(of: kept.pid).dismiss()
        try await Task.sleep(for: .milliseconds(100))  // in which a shell would have acted
        #expect(kept.finishedStatus == nil)
        await kept.stop()
    }

    @Test("its end is told although something that it started holds its output")
    func heldPipe() async throws {
        let written = Written()
        let child = try shell("sleep 30 & echo done", written)
        #expect(await child.exitStatus() == .exited(0))
        #expect(written.output == "done\n")
        await child.stop(grace: .zero)
    }

    @Test("a detached one has a session of its own and writes to its file")
    func detached() async throws {
        try await withTemporaryDirectory { directory in
            let log = directory + "/log"
            let process = try DetachedProcess(
                running: ["/bin/sh", "-c", "ps -o sid= -p $$; echo err >&2; exit 4"],
                environment: Self.path,
                logFile: log
            )
            var status: TerminationStatus?
            let deadline = ContinuousClock.now + .seconds(60)
            while status == nil, ContinuousClock.now < deadline {
                status = process.finishedStatus()
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(status == .exited(4))
            let text = String(decoding: try readFile(log), as: UTF8.self)
            #expect(text.filter { $0 != " " } == "\(process.pid)\nerr\n")
        }
    }

    @Test("the environment says where to listen and where the mesh is; a proxy only when asked for")
    func environment() {
        let base = ["A": "b", "no_proxy": "corp.gov,localhost"]
        let plain = ChildEnvironment(port: 7_000, meshAddress: "127.0.0.1:41877").variables(over: base)
        #expect(plain["PORT"] == "7000")
        #expect(plain["HOST"] == "127.0.0.1")
        #expect(plain["HMS_MESH_ADDR"] == "127.0.0.1:41877")
        #expect(plain["A"] == "b")
        #expect(plain["http_proxy"] == nil)
        #expect(plain["no_proxy"] == "corp.gov,localhost")
        let proxied = ChildEnvironment(port: 1, meshAddress: "127.0.0.1:2", setsProxy: true).variables(over: base)
        #expect(proxied["http_proxy"] == "http://127.0.0.1:2")
        #expect(proxied["no_proxy"] == "corp.gov,localhost,127.0.0.1,::1")
        #expect(proxied["NO_PROXY"] == "localhost,127.0.0.1,::1")
        let socket = ChildEnvironment(port: 1, meshAddress: "unix:/s", setsProxy: true).variables(over: base)
        #expect(socket["http_proxy"] == nil)
    }
}
