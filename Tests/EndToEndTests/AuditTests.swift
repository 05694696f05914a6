import Foundation
import TestSupport
import Testing

@Suite("Audit, snapshots and time travel")
struct AuditTests {
    private func replay(_ arguments: String...) async throws -> Program.Result {
        try await Program.run("hms-replay", arguments)
    }

    private func add(_ id: String, to daemon: Daemon) async throws {
        let added = try await daemon.reg(
            "add",
            "billing",
            "--address",
            "10.1.3.4",
            "--port",
            "7000",
            "--id",
            id,
            "--no-ttl"
        )
        #expect(added.exitCode == 0, "\(added.errors)")
    }

    @Test("a checkpoint that was kept anchors the log, live and afterwards; a changed byte is named, exit code 1")
    func anchored() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let note = directory + "/kept.note"
            let key = directory + "/kept.vkey"
            let daemon = try await Daemon.start(data)
            for number in 1...5 { try await add("b-\(number)", to: daemon) }
            #expect(try await daemon.reg("checkpoint", "save", note).exitCode == 0)
            #expect(try await daemon.reg("checkpoint", "save", note).exitCode == 1)
            try Data(try await daemon.reg("checkpoint", "key").output.utf8).write(to: URL(fileURLWithPath: key))
            try await add("b-6", to: daemon)
            let live = try await replay("verify", "--data", data, "--checkpoint", note, "--key", key)
            #expect(
                live.exitCode == 0 && live.output.contains("INTACT. Nothing before"),
                "\(live.output)\(live.errors)"
            )
            _ = try await daemon.program.end()
            let alone = try await replay("verify", "--data", data)
            #expect(alone.exitCode == 0 && alone.output.contains("CONSISTENT, NOT ANCHORED."), "\(alone.output)")
            #expect(try await replay("verify", "--data", data, "--require-anchor").exitCode == 1)
            let segment = data + "/log/00000000000000000001.hmslog.zst"
            var bytes = try Data(contentsOf: URL(fileURLWithPath: segment))
            bytes[bytes.count / 2] ^= 0xFF
            try bytes.write(to: URL(fileURLWithPath: segment))
            let damaged = try await replay("verify", "--data", data, "--checkpoint", note, "--key", key)
            #expect(damaged.exitCode == 1)
            #expect(damaged.output.contains(segment) && damaged.output.contains("DAMAGED in "), "\(damaged.output)")
            #expect(try await replay("verify", "--data", directory + "/nothing").exitCode == 3)
        }
    }

    @Test(
        "segments are read one by one under any name; new frames are followed; a key is changed and the chain verified"
    )
    func segmentsAndKeys() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let daemon = try await Daemon.start(data)
            for number in 1...3 { try await add("b-\(number)", to: daemon) }
            let oldKey = try await daemon.reg("checkpoint", "key").output
            let rotated = try await daemon.reg("checkpoint", "rotate-key", "--yes")
            #expect(
                rotated.exitCode == 0 && rotated.output.contains("+") && rotated.output != oldKey,
                "\(rotated.errors)"
            )
            #expect(try await daemon.reg("checkpoint", "key").output == rotated.output)
            // The socket's answer for as long as a second lasts: whole frames, from the log's first byte.
            let followed = try runShell(
                "curl -s -m 1 --unix-socket \(data)/regd.sock 'http://localhost/v1/log?from=1&follow=1' -o \(directory)/f.zst; "
                    + "zstd -tq \(directory)/f.zst"
            )
            #expect(followed.status == 0, "\(followed.output)")
            _ = try await daemon.program.end()
            let segment = data + "/log/00000000000000000001.hmslog.zst"
            let held = try readFile(segment)
            let isPrefix = held.starts(with: try readFile(directory + "/f.zst"))
            #expect(isPrefix)
            for key in [oldKey, rotated.output] {
                try Data(key.utf8).write(to: URL(fileURLWithPath: directory + "/k.vkey"))
                let verified = try await replay("verify", "--data", data, "--key", directory + "/k.vkey")
                #expect(verified.exitCode == 0 && verified.output.contains("INTACT"), "\(verified.output)")
            }
            try writeFile(directory + "/any.zst", held)
            let named = try await replay("state", "--log", directory + "/any.zst", "--json")
            #expect(named.exitCode == 0 && named.output.contains("b-3"), "\(named.errors)")
            #expect(try await replay("state", "--log", directory + "/k.vkey").exitCode == 1)
        }
    }

    @Test("new rules of silence are rehearsed by what was recorded before they are set, or nothing is set")
    func rehearsed() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let daemon = try await Daemon.start(data)
            let added = try await daemon.reg(
                ["add", "billing", "--address", "10.1.3.4", "--port", "7000", "--id", "b-1", "--ttl", "10s"]
            )
            #expect(added.exitCode == 0, "\(added.errors)")
            // Heartbeats are written once a second.
            for _ in 0..<4 {
                #expect(try await daemon.reg("heartbeat", "billing", "b-1").exitCode == 0)
                try await Task.sleep(for: .milliseconds(700))  // the pace of the heartbeats
            }
            let rehearsed = try await daemon.reg("policy", "set", "billing", "--ttl", "15s", "--rehearse")
            #expect(rehearsed.exitCode == 0, "\(rehearsed.errors)")
            for word in ["RECORDED", "REHEARSED", "heartbeat"] {
                #expect(rehearsed.errors.contains(word), "\(rehearsed.errors)")
            }
            // What is asked for on stdout is the policy.
            #expect(rehearsed.output.contains("15s") && !rehearsed.output.contains("REHEARSED"), "\(rehearsed.output)")
            #expect(try await daemon.reg("policy", "get", "billing").output.contains("15s"))
            // Where the registry's files are not, nothing is changed.
            _ = try runShell("mv \(data)/beats \(data)/elsewhere")
            let refused = try await daemon.reg("policy", "set", "billing", "--ttl", "45s", "--rehearse", "--yes")
            _ = try runShell("mv \(data)/elsewhere \(data)/beats")
            #expect(refused.exitCode == 3 && refused.errors.contains("rehearse where"), "\(refused.errors)")
            #expect(!(try await daemon.reg("policy", "get", "billing").output.contains("45s")))
            // Rules that have nothing to do with silence can't be.
            let useless = try await daemon.reg("policy", "set", "billing", "--retries", "1", "--rehearse")
            #expect(useless.exitCode == 2, "\(useless.errors)")
            _ = try await daemon.program.end()
        }
    }

    @Test("an auditor's copy comes over the socket, goes on where it ended, and verifies")
    func fetched() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            let copy = directory + "/copy"
            for number in 1...3 {
                try await add("b-\(number)", to: daemon)
                _ = try await daemon.reg("checkpoint")
                let fetch = try await replay("fetch", "--registry", "unix:\(daemon.socket)", "-o", copy)
                #expect(fetch.exitCode == 0, "\(fetch.output)\(fetch.errors)")
                #expect(fetch.output.contains("CONSISTENT, NOT ANCHORED."))
            }
            let state = try await replay("state", "--data", copy, "--json")
            #expect(state.output.contains("\"id\":\"b-3\""))
            _ = try await daemon.program.end()
        }
    }

    @Test("the past is looked up and told by the daemon and by a replay alike")
    func timeTravel() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            try await add("b-1", to: daemon)
            let before = try await daemon.reg("status", "--json").output
            #expect(before.contains("\"sequence\":2"))
            try await add("b-2", to: daemon)
            #expect(try await daemon.reg("remove", "billing", "b-1", "--yes").exitCode == 0)
            let past = try await daemon.reg("lookup", "billing", "--all", "--at", "2", "--json")
            let replayed = try await replay(
                "state",
                "--at",
                "2",
                "--service",
                "billing",
                "--data",
                daemon.data,
                "--json"
            )
            let document = String(past.output.dropLast(2).dropFirst())
            #expect(document.hasPrefix("\"billing\":[{\"id\":\"b-1\"") && !document.contains("b-2"))
            #expect(replayed.output.contains(document), "\(replayed.output) \(document)")
            let history = try await daemon.reg("history", "billing/b-1", "--json")
            #expect(history.output.contains("instance_registered") && history.output.contains("instance_deregistered"))
            #expect(!history.output.contains("b-2"))
            #expect(try await daemon.reg("history", "nobody").exitCode == 1)
            #expect(try await daemon.reg("lookup", "billing", "--at", "yesterday").exitCode == 2)
            let explained = try await replay("explain", "billing", "--at", "2", "--data", daemon.data)
            #expect(
                explained.output.contains("billing at ") && explained.output.contains("static: never expires"),
                "\(explained.output)"
            )
            _ = try await daemon.program.end()
        }
    }

    @Test("a snapshot is taken hot, restored beside it, and the restored registry serves what it held")
    func snapshot() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            for number in 1...4 { try await add("b-\(number)", to: daemon) }
            let file = directory + "/s.tar.zst"
            let taken = try await daemon.reg("snapshot", "save", file)
            #expect(taken.exitCode == 0 && taken.output == file + "\n", "\(taken.errors)")
            #expect(try await Program.run("hms-reg", ["snapshot", "verify", file]).exitCode == 0)
            let kept = try await daemon.reg("snapshot")
            #expect(kept.exitCode == 0)
            #expect(try await daemon.reg("snapshot", "list", "--json").output.contains("\"instances\":4"))
            let target = directory + "/restored"
            let refused = try await Program.run(
                "hms-reg",
                ["snapshot", "restore", file, "--data", daemon.data, "--new-keys"]
            )
            #expect(refused.exitCode == 1 && refused.errors.contains("is not empty"), "\(refused.errors)")
            #expect(try await Program.run("hms-reg", ["snapshot", "restore", file, "--data", target]).exitCode == 2)
            let restored = try await Program.run(
                "hms-reg",
                ["snapshot", "restore", file, "--data", target, "--keys", daemon.data + "/keys"]
            )
            #expect(restored.exitCode == 0, "\(restored.errors)")
            _ = try await daemon.program.end()
            let second = try await Daemon.start(target, label: "restored")
            #expect(try await second.reg("lookup", "billing", "--all", "--json").output.contains("\"id\":\"b-4\""))
            _ = try await second.program.end()
            let verdict = try await replay("verify", "--data", target)
            #expect(verdict.exitCode == 0 && verdict.output.contains("history goes on behind"), "\(verdict.output)")
        }
    }
}
