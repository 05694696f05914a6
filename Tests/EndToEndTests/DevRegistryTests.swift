import ArgumentParser
import Foundation
import RegistryClient
import Supervision
import Terminal
import TestSupport
import Testing

@testable import hms_mesh

/// `hms-regd --dev`: a registry that nobody has to set up.
@Suite("The dev registry")
struct DevRegistryTests {
    /// A user's directories, below a temporary one.
    private struct User {
        let directory: String

        var environment: [String: String] {
            ["XDG_STATE_HOME": directory + "/state", "XDG_RUNTIME_DIR": directory + "/run", "HOME": directory]
        }

        var data: String { directory + "/state/hms/dev" }
        var socket: String { directory + "/run/hms/regd.sock" }

        func start(_ options: [String] = [], label: String = "dev") throws -> RunningProgram {
            try RunningProgram(
                "hms-regd",
                ["--dev"] + options,
                environment: environment,
                logTo: directory,
                label: label
            )
        }

        func reg(_ arguments: String..., environment more: [String: String] = [:]) async throws -> Program.Result {
            try await Program.run("hms-reg", arguments, environment: environment.merging(more) { $1 }, in: directory)
        }
    }

    private func withUser(_ body: (User) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            _ = try runShell("mkdir -m 700 \(directory)/run")
            try await body(User(directory: directory))
        }
    }

    @Test("needs nothing said, and is found with nothing said", .enabled(if: isMachineWithoutRegistry))
    func foundByItself() async throws {
        try await withUser { user in
            let before = try await user.reg("list")
            #expect(before.exitCode == 3)
            #expect(before.errors.contains("Could not reach a registry: no socket, none named"))
            #expect(before.errors.contains(user.socket))

            let dev = try user.start()
            try await eventually("the daemon's line") { dev.output.contains("\n") || !dev.isRunning }
            #expect(dev.output.hasPrefix("HMS-REG ready at 127.0.0.1:"))
            #expect(dev.output.hasSuffix(" (data \(user.data), sequence 1, 0 instances)\n"))
            #expect(try await user.reg("add", "a", "--address", "127.0.0.1", "--port", "1").exitCode == 0)
            let list = try await user.reg("list")
            #expect(list.exitCode == 0)
            #expect(list.output.contains("a "))
            // From a session that has another runtime directory, or none.
            let elsewhere = try await user.reg("list", environment: ["XDG_RUNTIME_DIR": user.directory + "/other"])
            #expect(elsewhere.exitCode == 0)
            #expect(!FileManager.default.fileExists(atPath: user.data + "/reserve"))
            #expect(try FileManager.default.attributesOfItem(atPath: user.data)[.posixPermissions] as? Int == 0o700)
            #expect(try await dev.end() == 0)
            // What it left is no registry any more.
            #expect(try await user.reg("list").exitCode == 3)
        }
    }

    @Test("of several started at once one wins, and the others say which")
    func race() async throws {
        try await withUser { user in
            let programs = try (0..<4).map { try user.start(label: "dev\($0)") }
            try await eventually("three ends") { programs.filter(\.isRunning).count == 1 }
            let winner = try #require(programs.first { $0.isRunning })
            for loser in programs where loser.pid != winner.pid {
                #expect(try await loser.exitCode() == 0, "\(loser.errors)")
                #expect(
                    loser.output
                        == "✔ the dev registry is running already (pid \(winner.pid)): unix:\(user.data)/regd.sock\n"
                )
            }
            #expect(try await user.reg("list").exitCode == 0)
            try await winner.end()
        }
    }

    @Test("takes another port where 9000 is taken")
    func port() async throws {
        try await withUser { first in
            try await withUser { second in
                let programs = try [first.start(), second.start()]
                for program in programs {
                    try await eventually("the daemon's line") { program.output.contains("\n") || !program.isRunning }
                }
                let addresses = programs.map { $0.output.split(separator: " ").first { $0.hasPrefix("127.0.0.1:") } }
                #expect(addresses[0] != nil)
                #expect(addresses[1] != nil)
                #expect(addresses[0] != addresses[1])
                for program in programs { #expect(try await program.end() == 0) }
            }
        }
    }

    @Test("ends by itself once nobody needs it, not while an instance beats")
    func idleExit() async throws {
        try await withUser { user in
            var dev = try user.start()
            try await eventually("the daemon's line") { dev.output.contains("\n") || !dev.isRunning }
            #expect(try await user.reg("add", "a", "--address", "127.0.0.1", "--port", "1", "--id", "1").exitCode == 0)
            try await dev.end()
            // The instance is given a ttl to come back, which is longer than this registry would be idle.
            dev = try user.start(["--idle-exit", "1s"], label: "with-instance")
            try await Task.sleep(for: .seconds(3))  // that it does not end: there is nothing to wait for
            #expect(dev.isRunning)
            try await dev.end()
        }
        try await withUser { user in
            let dev = try user.start(["--idle-exit", "1s"])
            #expect(try await dev.exitCode() == 0)
            #expect(dev.output.hasPrefix("HMS-REG ready at "))
            #expect(!FileManager.default.fileExists(atPath: user.socket))
        }
    }

    @Test("a registry that is not for development ends by itself only when told to")
    func idleExitOfOthers() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data", ["--idle-exit", "300ms"])
            #expect(try await daemon.program.exitCode() == 0)
            let mark = try String(contentsOfFile: directory + "/data/view/0/mark", encoding: .utf8)
            #expect(mark.hasPrefix("state clean\n"))
        }
    }

    @Test(
        "a sidecar with nothing named starts one that outlives it, and the next finds it",
        .enabled(if: isMachineWithoutRegistry)
    )
    func startedByDevelopers() async throws {
        try await withUser { user in
            let environment = Program.environment(user.environment)
            let refused = await #expect(throws: CommandError.self) {
                _ = try await DevRegistry.find(option: nil, manifest: nil, environment: environment, mayStart: false)
            }
            #expect(refused?.exitCode.rawValue == 3)
            let first = try await DevRegistry.find(option: nil, manifest: nil, environment: environment, mayStart: true)
            #expect(first.origin == .started(data: user.data))
            #expect(first.isOwn)
            #expect(
                first.explanation(home: user.directory, symbols: .unicode)
                    == "dev registry: none was named, no socket · data ~/state/hms/dev"
            )
            try await eventually("its socket") { LocalSocket.isAnswered(user.socket) }
            let second = try await DevRegistry.find(
                option: nil,
                manifest: nil,
                environment: environment,
                mayStart: true
            )
            #expect(second == DevRegistry(address: try RegistryAddress(socket: user.socket), origin: .socket))
            let named = try await DevRegistry.find(
                option: "unix:/nowhere.sock",
                manifest: nil,
                environment: environment,
                mayStart: true
            )
            #expect(named.explanation(home: nil, symbols: .unicode) == "named by --registry · unix:/nowhere.sock")
            #expect(!named.isOwn)
            #expect(try await user.reg("list").exitCode == 0)
            let log = String(decoding: try readFile(user.directory + "/state/hms/dev.log"), as: UTF8.self)
            #expect(log.contains("HMS-REG ready at 127.0.0.1:"))
            let pid = try #require(Int32(try readText(user.data + "/lock")))
            #expect(getsid(pid) == pid)
            kill(pid, SIGTERM)
            try await eventually("its end") { !LocalSocket.isAnswered(user.socket) }
        }
    }

    @Test("one that is killed is started again by whoever develops with it", .enabled(if: isMachineWithoutRegistry))
    func startedAgain() async throws {
        try await withUser { user in
            let file = user.directory + "/hms.yml"
            try writeFile(file, Array("service: { name: photo-validator, port: \(freeApplicationPort()) }\n".utf8))
            let dev = try RunningProgram(
                "hms-mesh",
                ["dev", "--file", file, "--", "sleep", "60"],
                environment: user.environment,
                logTo: user.directory,
                label: "mesh"
            )
            try await eventually("its registration") { dev.output.contains("✔ Registered with HMS-REG") }
            let killed = try #require(Int32(try readText(user.data + "/lock")))
            kill(killed, SIGKILL)
            try await eventually("what it says") {
                (dev.output + dev.errors).contains("the dev registry had ended, and was started again")
            }
            let next = try #require(Int32(try readText(user.data + "/lock")))
            defer { kill(next, SIGTERM) }
            #expect(next != killed)
            #expect(try await user.reg("list").output.contains("photo-validator"))
            #expect(try await dev.end(by: SIGINT) >= 0)
        }
    }

    @Test("one that can't start is told with its own words", .enabled(if: isMachineWithoutRegistry))
    func failedStart() async throws {
        try await withUser { user in
            _ = try runShell("mkdir -p \(user.directory)/state/hms && touch \(user.data)")
            let environment = Program.environment(user.environment)
            let error = await #expect(throws: CommandError.self) {
                _ = try await DevRegistry.find(option: nil, manifest: nil, environment: environment, mayStart: true)
            }
            #expect(error?.what == "the dev registry exited 3 when it was started")
            #expect(error?.reasons.last?.contains(user.data) == true)
            #expect(error?.exitCode.rawValue == 3)
        }
    }

    private func readText(_ path: String) throws -> String {
        String(decoding: try readFile(path), as: UTF8.self).filter { !$0.isNewline }
    }

    @Test("it doesn't take another place for its data")
    func ownData() async throws {
        try await withUser { user in
            let result = try await Program.run("hms-regd", ["--dev", "--data", "x"], environment: user.environment)
            #expect(result.exitCode == 2)
            #expect(result.errors.contains("--dev keeps its data in \(user.data), and --data names another place"))
        }
    }

    @Test("a registry that hms.yml names goes before it, and a bad hms.yml is told")
    func manifest() async throws {
        try await withUser { user in
            let data = user.directory + "/named"
            let named = try await Daemon.start(data)
            _ = try await named.reg("add", "of-the-manifest", "--address", "10.0.0.1", "--port", "1")
            let file = user.directory + "/hms.yml"
            try writeFile(file, Array("service: { name: a, port: 1 }\nregistry: unix:\(data)/regd.sock\n".utf8))
            let list = try await user.reg("list")
            #expect(list.exitCode == 0, "\(list.errors)")
            #expect(list.output.contains("of-the-manifest"))
            // What the environment names goes before the manifest, and is meant even though it is not there.
            let other = try await user.reg("list", environment: ["HMS_REGISTRY": "unix:/nowhere.sock"])
            #expect(other.exitCode == 3)

            try writeFile(file, Array("service: { name: a, prot: 1 }\n".utf8))
            let bad = try await user.reg("list")
            #expect(bad.exitCode == 2)
            #expect(
                bad.errors.contains("✘ hms.yml:1:21: unknown key service.prot\n    1 │ service: { name: a, prot: 1 }")
            )
            try await named.program.end()
        }
    }
}

/// With a registry of the machine's there is always one to be found.
private let isMachineWithoutRegistry = !LocalSocket.isAnswered("/run/hms/regd.sock")
