import Foundation
import RegistryClient
import TestSupport
import Testing

@Suite("The daemon's life")
struct DaemonLifeTests {
    @Test("prints one line when it is ready, and stops cleanly at SIGTERM")
    func readyAndStop() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let daemon = try await Daemon.start(data)
            #expect(
                daemon.program.output
                    == "HMS-REG ready at \(daemon.plainAddress) (data \(data), sequence 1, 0 instances)\n"
            )
            #expect(try await daemon.program.end() == 0)
            #expect(try String(contentsOfFile: data + "/view/0/mark", encoding: .utf8).hasPrefix("state clean\n"))
            #expect(!FileManager.default.fileExists(atPath: data + "/regd.sock"))
        }
    }

    @Test("a second daemon on the same directory is refused, with who holds it")
    func secondDaemon() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            let second = try await Program.run("hms-regd", ["--data", directory + "/data", "--socket", "none"])
            #expect(second.exitCode == 3)
            #expect(second.errors.contains("another hms-regd (pid \(daemon.program.pid)) holds it"))
            #expect(try await daemon.reg("list").exitCode == 0)
            try await daemon.program.end()
        }
    }

    @Test("keeps everything over a clean stop and over kill -9", arguments: [SIGTERM, SIGKILL])
    func restart(signal: Int32) async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            var daemon = try await Daemon.start(data)
            _ = try await daemon.reg(
                "import",
                "-",
                input: """
                    {"service":"a","id":"1","ip":"10.0.0.1","port":1,"status":"healthy"}
                    {"service":"a","id":"2","ip":"10.0.0.2","port":2,"version":"2","tags":["x"]}
                    """
            )
            _ = try await daemon.reg("policy", "set", "a", "--retries", "3")
            let before = try daemon.request("GET", "/v1/services/a?status=all")
            try await daemon.program.end(by: signal)
            daemon = try await Daemon.start(data, label: "again")
            let after = try daemon.request("GET", "/v1/services/a?status=all")
            #expect(before.status == 200)
            #expect(after.body == before.body)
            #expect(try await daemon.reg("policy", "get", "a", "--json").output.contains(#""retries":3"#))
            try await daemon.program.end()
        }
    }

    @Test("reads options from file and environment; the command line goes first")
    func configuration() async throws {
        try await withTemporaryDirectory { directory in
            let file = directory + "/regd.yml"
            try writeFile(file, Array("data: \(directory)/data\nttl: 5s\nderegister-after: 7s\n".utf8))
            let program = try RunningProgram(
                "hms-regd",
                ["--config", file, "--ttl", "3s", "--socket", "none", "--listen", "none", "--reserve", "0"],
                logTo: directory,
                label: "regd"
            )
            try await eventually("the daemon's line") { program.output.contains("HMS-REG ready at unix:") }
            let status = try RawAnswer.of(
                "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                socket: directory + "/data/regd.sock"
            )
            #expect(status.body.contains(#""ttlMs":3000,"deregisterAfterMs":7000"#))
            try await program.end()
        }
    }

    @Test(
        "a bad option is told with its place",
        arguments: [
            ("tlt: 5s\n", "regd.yml:1: unknown option tlt", "did you mean ttl?"),
            ("data: d\nttl: 5\n", "regd.yml:2: ttl: 5 is no duration", ""),
            ("data: d\nplain-listen: nowhere\n", "regd.yml:2: plain-listen: nowhere is no HOST:PORT", ""),
            ("data: d\nguard-fraction: 2\n", "regd.yml:2: guard-fraction: 2 is no number", ""),
            ("ttl: 5s\n", "no data directory is named", "hms-regd --data ./data"),
        ]
    )
    func badOptions(yaml: String, message: String, hint: String) async throws {
        try await withTemporaryDirectory { directory in
            try writeFile(directory + "/regd.yml", Array(yaml.utf8))
            let result = try await Program.run("hms-regd", ["--config", directory + "/regd.yml", "--check"])
            #expect(result.exitCode == 2)
            #expect(result.errors.contains(message))
            #expect(hint.isEmpty || result.errors.contains(hint))
        }
    }

    @Test("a group that there is not is told before anything is served")
    func unknownGroup() async throws {
        try await withTemporaryDirectory { directory in
            let result = try await Program.run(
                "hms-regd",
                [
                    "--data", directory + "/data", "--socket", "none", "--listen", "none", "--socket-group",
                    "no-such-group",
                ]
            )
            #expect(result.exitCode == 2)
            #expect(result.errors.contains("there is no group no-such-group on this machine"), "\(result.errors)")
            #expect(result.output.isEmpty)
        }
    }

    @Test("a directory that can't be made is told, with exit code 3")
    func unusableDirectory() async throws {
        let result = try await Program.run("hms-regd", ["--data", "/proc/none", "--socket", "none"])
        #expect(result.exitCode == 3)
        #expect(result.errors.contains("the data directory /proc/none can't be used"))
    }

    @Test("damaged durable bytes stop the start, name the place and change nothing")
    func damage() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let daemon = try await Daemon.start(data)
            _ = try await daemon.reg("add", "a", "--address", "10.0.0.1", "--port", "1", "--no-ttl")
            try await daemon.program.end()
            let segment = data + "/log/00000000000000000001.hmslog.zst"
            var bytes = try readFile(segment)
            bytes[bytes.count / 2] ^= 0x40
            try writeFile(segment, bytes)
            let result = try await Program.run("hms-regd", ["--data", data, "--socket", "none"])
            #expect(result.exitCode == 3)
            #expect(result.errors.contains("is damaged at offset"))
            #expect(result.errors.contains("hms-replay verify"))
            #expect(try readFile(segment) == bytes)
        }
    }
}
