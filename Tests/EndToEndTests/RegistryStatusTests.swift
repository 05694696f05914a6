import TestSupport
import Testing

/// `hms-reg status` against a real daemon.
@Suite("The registry's own condition")
struct RegistryStatusTests {
    /// What stands behind a label.
    private func line(_ label: String, of screen: String) -> Substring? {
        screen.split(separator: "\n").first { $0.hasPrefix(label) }?.dropFirst(12)
    }

    @Test("what is signed and what snapshots there are is said, also after a restart")
    func checkpointsAndSnapshots() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            var daemon = try await Daemon.start(data, ["--snapshot-every", "1h"])
            var screen = try await daemon.reg("status").output
            #expect(screen.hasPrefix("HMS-REG "))
            #expect(screen.split(separator: "\n").first?.hasSuffix(" · trust domain gov.local") == true)
            #expect(line("snapshots", of: screen)?.hasPrefix("none yet · 0 kept · next in ") == true)

            #expect(try await daemon.reg("checkpoint").exitCode == 0)
            #expect(try await daemon.reg("snapshot").exitCode == 0)
            screen = try await daemon.reg("status").output
            #expect(line("checkpoint", of: screen)?.hasPrefix("signed through ") == true)
            #expect(line("snapshots", of: screen)?.contains(" ago, verified ✔ · 1 kept · next in ") == true)
            let document = try await daemon.reg("status", "--json").output
            for member in [#""checkpoint":{"sequence":"#, #""signedAt":"#, #""kept":1"#, #""everyMs":3600000"#] {
                #expect(document.contains(member), "\(member)")
            }
            #expect(try await daemon.program.end() == 0)

            daemon = try await Daemon.start(data, label: "again")
            screen = try await daemon.reg("status").output
            #expect(line("snapshots", of: screen)?.contains(" ago, verified ✔ · 1 kept · only when asked for") == true)
            #expect(line("checkpoint", of: screen)?.contains(" ago · ") == true)
            #expect(try await daemon.program.end() == 0)
        }
    }
}
