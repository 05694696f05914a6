import EventLog
import Glibc
import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("When the log can't be written")
struct FailingLogTests {
    private func code(_ body: () async throws -> Void) async -> RegistryError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? RegistryError)?.code
        }
    }

    /// Small steps of allocation, so that a test can make the next one fail.
    private func options(_ directory: String, _ failpoints: Failpoints) -> ServiceRegistry.Options {
        testOptions(directory) { options in
            options.logOptions.failpoints = failpoints
            options.logOptions.allocationStep = 512
        }
    }

    @Test("a failed sync is fatal: who waits is told, nothing more is written, what was answered is kept")
    func failedSync() async throws {
        try await withTemporaryDirectory { directory in
            let (failpoints, told) = (Failpoints(), Told())
            try await withRegistry(options(directory, failpoints), telling: told) { registry in
                try await registry.register(try sampleInstance("a", "kept"))
                failpoints.arm(.sync, .refuse(EIO))
                #expect(await code { try await registry.register(try sampleInstance("a", "lost")) } == .logFailed)
                #expect(told.fatal.all.map(\.code) == [.logFailed])
                #expect(await code { try await registry.register(try sampleInstance("a", "later")) } == .logFailed)
                #expect(try registry.ids(of: "a") == ["kept"])
            }
            try await withRegistry(testOptions(directory)) { registry in
                let ids = try registry.ids(of: "a")
                #expect(ids.contains("kept") && !ids.contains("later"))
            }
        }
    }

    @Test("a write that fails is undone; the next one goes on")
    func failedWrite() async throws {
        try await withTemporaryDirectory { directory in
            let (failpoints, told) = (Failpoints(), Told())
            try await withRegistry(options(directory, failpoints), telling: told) { registry in
                try await registry.register(try sampleInstance("a", "b"))
                failpoints.arm(.write, .short(bytes: 20, errno: EIO))
                #expect(await code { try await registry.register(try sampleInstance("a", "c")) } == .logFailed)
                #expect(told.fatal.all.isEmpty)
                try await registry.register(try sampleInstance("a", "d"))
                #expect(try registry.ids(of: "a") == ["b", "d"])
            }
            try await withRegistry(testOptions(directory)) { registry in
                let ids = try registry.ids(of: "a")
                #expect(ids == ["b", "d"])
            }
        }
    }

    @Test("on a full disk registrations wait, health and deregistrations go on; all resumes when there is room")
    func diskFull() async throws {
        try await withTemporaryDirectory { directory in
            let (failpoints, told) = (Failpoints(), Told())
            var options = options(directory, failpoints)
            options.reserveBytes = 1_024 * 1_024
            try await withRegistry(options, telling: told) { registry in
                for id in ["b", "c"] { try await registry.register(try sampleInstance("a", id), .healthy) }
                // More than what is allocated already, and hard to compress.
                let large = try sampleInstance("a", "large") { instance in
                    instance.metadata = [MetadataEntry(key: "k", value: noise(3_000))]
                }
                // Neither a step ahead nor just what is needed can be had.
                failpoints.arm(.allocate, times: 2, .refuse(ENOSPC))
                let commands: [Command] = [
                    .register(Registration(instance: large)),
                    .setPolicy(try ServiceName("a"), MeshPolicy(retries: 1)),
                    .addExternal(try sampleExternal("ext")),
                    .drain(try sampleKey("a", "b"), ifMatch: nil),
                    .deregister(try sampleKey("a", "c"), ifMatch: nil),
                ]
                let results = await withCheckedContinuation { continuation in
                    registry.submit(commands, actor: operatorActor) { continuation.resume(returning: $0) }
                }
                for result in results.prefix(3) {
                    #expect(throws: RegistryError(.diskFull, "")) { try result.get() }
                }
                #expect(try results[3].get().reply == .health(.draining, changed: true))
                #expect(try results[4].get().reply == .deregistered(count: 1))
                #expect(try registry.ids(of: "a") == ["b"])
                try await eventually("writes to resume") { !registry.status().isDiskFull }
                try await registry.register(large)
                #expect(try registry.ids(of: "a") == ["b", "large"])
                #expect(try directoryEntries(directory).contains("reserve"))
            }
            #expect(told.fatal.all.isEmpty)
        }
    }

    private func noise(_ count: Int) -> String {
        var random = SeededGenerator(seed: 1)
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return String((0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
    }
}
