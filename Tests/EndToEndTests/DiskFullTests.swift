import Foundation
import Glibc
import TestSupport
import Testing

/// A disk of a few megabytes, which only root can make; elsewhere the suites of log and registry test the same by
/// failpoints.
@Suite("A full disk", .enabled(if: SmallDisk.isPossible))
struct DiskFullTests {
    @Test("stops registrations with 507 while look-ups, health and deregistrations go on, and all resumes by itself")
    func fullDisk() async throws {
        try await withTemporaryDirectory { directory in
            let disk = try SmallDisk(at: directory + "/disk", megabytes: 64)
            defer { disk.remove() }
            let data = disk.path + "/data"
            let program = try RunningProgram(
                "hms-regd",
                ["--data", data, "--socket", "none", "--listen", "none", "--reserve", "8"],
                logTo: directory,
                label: "regd"
            )
            try await eventually("the daemon's line") { program.output.contains("HMS-REG ready") }
            let daemon = Daemon(data: data, program: program, plainAddress: "")
            for id in 1...3 {
                let body = #"{"ip":"10.0.0.1","port":1,"status":"healthy","ttlMs":null}"#
                #expect(try daemon.request("PUT", "/v1/services/a/instances/\(id)", body).status == 201)
            }
            try disk.fill()

            // Space that was allocated ahead is used up first.
            var refused: RawAnswer?
            try await eventually("the refusal") {
                let lines = (0..<400).map { number in
                    let filler = (0..<60).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }.joined()
                    return
                        #"{"service":"b","id":"\#(UUID())-\#(number)","ip":"10.0.0.1","port":1,"metadata":{"x":"\#(filler)"}}"#
                }
                refused = try daemon.request("POST", "/v1/instances", lines.joined(separator: "\n"))
                return refused?.body.contains(#""code":"disk-full""#) == true
            }
            let single = try daemon.request("PUT", "/v1/services/a/instances/9", #"{"ip":"10.0.0.1","port":1}"#)
            #expect(single.status == 507)
            #expect(single.header("retry-after") == "10")
            #expect(try daemon.request("PUT", "/v1/services/a/policy", #"{"retries":1}"#).status == 507)

            #expect(try daemon.request("GET", "/v1/services/a").status == 200)
            let ill = #"[{"service":"a","id":"1","status":"unhealthy","detail":"no room"}]"#
            #expect(try daemon.request("POST", "/v1/heartbeats", ill).body.contains(#""accepted":1"#))
            #expect(try daemon.request("GET", "/v1/services/a?status=unhealthy").body.contains("no room"))
            #expect(try daemon.request("DELETE", "/v1/services/a/instances/2").status == 200)
            #expect(try daemon.request("GET", "/v1/status").body.contains(#""diskFull":true"#))

            disk.makeRoom()
            try await eventually("writes to resume") {
                let body = #"{"ip":"10.0.0.1","port":1,"status":"healthy"}"#
                return try daemon.request("PUT", "/v1/services/a/instances/9", body).status == 201
            }
            let before = try daemon.request("GET", "/v1/services/a?status=all").body
            try await program.end(by: SIGKILL)
            let again = try await Daemon.start(data, label: "again")
            #expect(try again.request("GET", "/v1/services/a?status=all").body == before)
            #expect(try await again.program.end() == 0)
        }
    }
}

/// A file system in memory with a bound.
struct SmallDisk {
    /// Whether this process may mount, tried out.
    static let isPossible: Bool = {
        guard geteuid() == 0 else { return false }
        return
            (try? withTemporaryDirectory { directory in
                try SmallDisk(at: directory + "/probe", megabytes: 1).remove()
            }) != nil
    }()

    let path: String

    init(at path: String, megabytes: Int) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard Self.run("mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m", "none", path]) == 0 else {
            throw SystemFailure("mount")
        }
    }

    func remove() {
        _ = Self.run("umount", ["-l", path])
    }

    /// Takes all the room that is left.
    func fill() throws {
        let descriptor = open(path + "/filler", O_WRONLY | O_CREAT, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("open") }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 4_096)
        while write(descriptor, block, block.count) > 0 {}
    }

    func makeRoom() {
        unlink(path + "/filler")
    }

    private static func run(_ program: String, _ arguments: [String]) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            return -1
        }
        process.waitUntilExit()
        return process.terminationStatus
    }
}
