import Foundation
import Identity
import RegistryClient
import RegistryModel
import TestSupport
import Testing

@Suite("The registry's root, once it has been replaced")
struct RotationTests {
    private func phase(_ daemon: Daemon) async throws -> String? {
        let shown = try JSONValue(parsing: Array(try await daemon.reg("ca", "show", "--json").output.utf8))
        return shown["rotation"]?["phase"]?.text
    }

    @Test("who was away for all of it comes back by the old root: with a token, and by a lapsed certificate's key")
    func away() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory, ["--rotation-phase", "1s"])
            let registry = tls.daemon.plainAddress
            let made = try await tls.daemon.reg("token", "create", "--role", "operator", "--uses", "2")
            let state = ["XDG_STATE_HOME": directory + "/laptop"]
            let login = try await Program.run(
                "hms-reg",
                ["login", "--as", "ada"],
                environment: state.merging(["HMS_TOKEN": made.output]) { $1 }
            )
            #expect(login.exitCode == 0, "\(login.errors)")
            #expect(try await tls.daemon.reg("ca", "rotate", "--yes").exitCode == 0)
            try await eventually("the rotation to end") { try await phase(tls.daemon) == nil }
            try await eventually("all of it to be on record") {
                let steps = try await Program.run(
                    "hms-replay",
                    ["events", "--data", tls.daemon.data, "--type", "authority_changed", "--json"]
                ).output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
                return steps.compactMap { $0["actor"]?.text } == ["uid \(getuid())", "registry", "registry"]
            }

            let joined = try await Program.run(
                "hms-reg",
                ["login", "--as", "bob"],
                environment: ["XDG_STATE_HOME": directory + "/other", "HMS_TOKEN": made.output]
            )
            #expect(joined.exitCode == 0, "\(joined.errors)")

            try await tls.daemon.program.end()
            let later = try ShiftedClock.environment(seconds: 3 * 86_400, in: directory)
            let again = try await Daemon.start(
                tls.daemon.data,
                ["--listen", registry],
                environment: later,
                label: "again"
            )
            let who = try await Program.run(
                "hms-reg",
                ["--registry", registry, "whoami"],
                environment: state.merging(later) { $1 }
            )
            #expect(who.output.hasPrefix("spiffe://gov.local/user/ada · operator"), "\(who.output)\(who.errors)")
            try await again.program.end()
        }
    }

    @Test(
        "after the remembering of the old root has ended, its leaves are refused at the door, and it leads to no registry"
    )
    func forgotten() async throws {
        try await withTemporaryDirectory { directory in
            let tls = try await TLSDaemon.start(directory, ["--rotation-phase", "1s", "--rejoin-window", "3s"])
            let old = try await tls.join("billing")
            try tls.write(try #require(old.identity), as: "billing")
            #expect(try tls.get("/v1/whoami", TLSDaemon.showing("billing")).contains(#""role":"workload""#))
            #expect(try await tls.daemon.reg("ca", "rotate", "--yes").exitCode == 0)
            try await eventually("the old root to lead over only") {
                let shown = try await tls.daemon.reg("ca", "show", "--json").output
                return shown.contains(#""former""#) && !shown.contains(#""rotation""#)
            }
            // Whoever believes the old root alone still finds the registry.
            #expect(try tls.get("/v1/trust-bundle").contains(#""trustDomain":"gov.local""#))
            try await eventually("the old root to be forgotten") {
                try await !tls.daemon.reg("ca", "show", "--json").output.contains(#""former""#)
            }
            #expect(try tls.get("/v1/trust-bundle").contains("verify error"))
            await #expect(throws: RegistryClientError(.untrustedRegistry, "")) {
                _ = try await old.rejoined(at: try tls.address)
            }
            try writeFile(directory + "/bundle.pem", Array(try await tls.daemon.reg("ca", "show", "--pem").output.utf8))
            #expect(try tls.get("/v1/trust-bundle").contains(#""trustDomain":"gov.local""#))
            let refused = try tls.get("/v1/whoami", TLSDaemon.showing("billing"))
            #expect(refused.contains("alert unknown ca"), "\(refused)")
            #expect(!refused.contains("HTTP/1.1 200"))
            try await tls.daemon.program.end()
        }
    }

    @Test(
        "with no room for the next phase the registry starts and serves, and goes on once there is",
        .enabled(if: SmallDisk.isPossible)
    )
    func noRoom() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let disk = try SmallDisk(at: data + "/keys", megabytes: 1)
            defer { disk.remove() }
            let daemon = try await Daemon.start(data)
            #expect(try await daemon.reg("ca", "rotate", "--yes").exitCode == 0)
            try disk.fill()
            try await daemon.program.end()

            // The next phase is due as soon as this one starts.
            let again = try await Daemon.start(data, ["--rotation-phase", "1s"], label: "again")
            try await eventually("the failed store") { again.program.errors.contains("authority stays as it is") }
            #expect(try await phase(again) == "overlap")
            #expect(try await again.reg("cert", "issue", "a", "--out", directory + "/a").exitCode == 0)
            disk.makeRoom()
            try await eventually("the rotation to end") { try await phase(again) == nil }
            try await again.program.end()
        }
    }
}
