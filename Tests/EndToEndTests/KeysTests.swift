import Foundation
import RegistryClient
import TestSupport
import Testing

@Suite("The registry's keys, backed up")
struct KeysTests {
    @Test("a backup of a running registry makes a new one that everybody believes; status says when it was made")
    func backup() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory)
            let daemon = tls.daemon
            #expect(try await daemon.reg("status").output.contains("⚠ keys were never backed up"))
            let file = directory + "/keys.age"
            let secret = "correct horse battery\n"
            func backup(_ options: [String] = [], input: String) async throws -> Program.Result {
                try await daemon.reg(["keys", "backup", file, "--passphrase-file", "-"] + options, input: input)
            }
            let short = try await backup(input: "too short\n")
            #expect(short.exitCode == 2)
            #expect(short.errors.contains("12 characters or more"), "\(short.errors)")
            let none = try await daemon.reg("keys", "backup", file)
            #expect(none.exitCode == 2, "no terminal to ask on: \(none.errors)")
            #expect(!FileManager.default.fileExists(atPath: file))

            let made = try await backup(input: secret)
            #expect(made.exitCode == 0, "\(made.errors)")
            #expect(made.output.contains("gov.local · authority.json, checkpoint.pem"), "\(made.output)")
            let twice = try await backup(input: secret)
            #expect(twice.exitCode == 1)
            #expect(twice.errors.contains("is there already"), "\(twice.errors)")
            let status = try await daemon.reg("status").output
            #expect(status.contains("root expires in 9y364d · last backup of keys"), "\(status)")

            let joined = try await tls.join("billing")
            #expect(try await daemon.reg("snapshot", "save", directory + "/registry.tar.zst").exitCode == 0)
            try await daemon.program.end()

            let new = directory + "/restored"
            func restore(_ input: String) async throws -> Program.Result {
                try await Program.run(
                    "hms-reg",
                    [
                        "snapshot", "restore", directory + "/registry.tar.zst", "--data", new, "--keys", file,
                        "--passphrase-file", "-",
                    ],
                    input: input
                )
            }
            let wrong = try await restore("another passphrase\n")
            #expect(wrong.exitCode == 1)
            #expect(wrong.errors.contains("the passphrase is another one"), "\(wrong.errors)")
            #expect(!FileManager.default.fileExists(atPath: new), "nothing is half done")
            let restored = try await restore(secret)
            #expect(restored.exitCode == 0, "\(restored.errors)")
            let over = try await Program.run(
                "hms-reg",
                ["keys", "restore", file, "--data", new, "--passphrase-file", "-"],
                input: secret
            )
            #expect(over.exitCode != 0)
            #expect(over.errors.contains("is not empty"), "\(over.errors)")

            let again = try await Daemon.start(new, ["--listen", daemon.plainAddress], label: "restored")
            let renewed = try await joined.renewed(at: try tls.address)
            #expect(renewed.bundle == joined.bundle)
            #expect(try await again.reg("status").output.contains("last backup of keys"))
            try await again.program.end()
        }
    }

    @Test("a backup from before a rotation is said to be of a former root")
    func former() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data", ["--rotation-phase", "1s"])
            let file = directory + "/keys.age"
            try writeFile(directory + "/secret", Array("correct horse battery\n".utf8))
            let made = try await daemon.reg("keys", "backup", file, "--passphrase-file", directory + "/secret")
            #expect(made.exitCode == 0, "\(made.errors)")
            #expect(try await daemon.reg("ca", "rotate", "--yes").exitCode == 0)
            try await eventually("the warning") {
                try await daemon.reg("status").output.contains("of a former root: hms-reg keys backup FILE")
            }
            try await daemon.program.end()
        }
    }
}
