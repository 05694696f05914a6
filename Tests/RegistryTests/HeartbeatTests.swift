import EventLog
import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("Heartbeats")
struct HeartbeatTests {
    private func beat(
        _ registry: ServiceRegistry,
        _ heartbeats: Heartbeat...
    ) async -> (summary: HeartbeatSummary, error: RegistryError?) {
        await withCheckedContinuation { continuation in
            registry.heartbeat(heartbeats, actor: operatorActor) { continuation.resume(returning: ($0, $1)) }
        }
    }

    @Test("one that changes nothing is answered from memory; one that changes health is on record")
    func changing() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let key = try sampleKey("a", "b")
                try await registry.register(try sampleInstance("a", "b"))
                #expect(await beat(registry, Heartbeat(key: key)).summary.accepted == 1)
                #expect(try registry.state("a", "b")?.health == .healthy)
                let sequence = registry.sequence
                #expect(
                    await beat(registry, Heartbeat(key: key), Heartbeat(key: key, status: .healthy)).summary.accepted
                        == 2
                )
                #expect(registry.sequence == sequence)
                _ = await beat(registry, Heartbeat(key: key, status: .degraded, detail: "slow"))
                #expect(try registry.state("a", "b")?.detail == "slow")
                #expect(registry.sequence == sequence.next)
            }
        }
    }

    @Test("of unknown and superseded ones the sender is told which")
    func strangers() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let reply = try await registry.register(try sampleInstance("a", "b"), .healthy)
                let (key, none) = (try sampleKey("a", "b"), try sampleKey("a", "none"))
                let stale = IncarnationTag(epoch: Epoch(rawValue: 1), handle: reply.handle)
                let (summary, error) = await beat(
                    registry,
                    Heartbeat(key: none),
                    Heartbeat(key: key, ifMatch: stale),
                    Heartbeat(key: key, ifMatch: IncarnationTag(epoch: registry.epoch, handle: reply.handle))
                )
                #expect(summary.unknown == [none] && summary.superseded == [key] && summary.accepted == 1)
                #expect(error == nil)
            }
        }
    }

    @Test("beats are on record in beats/, and the log knows nothing of them")
    func recorded() async throws {
        try await withTemporaryDirectory { directory in
            var handle = InstanceHandle.none
            try await withRegistry(testOptions(directory)) { registry in
                handle = try await registry.register(try sampleInstance("a", "b"), .healthy).handle
                for _ in 0..<5 { _ = await beat(registry, Heartbeat(key: try sampleKey("a", "b"))) }
            }
            var beats: [InstanceHandle] = []
            let reader = try LogReader(directory: directory + "/beats", stream: .beats)
            try reader.forEach(from: SequenceNumber(1)) { event, _ in
                guard case .heartbeats(let packed) = event.kind else { return true }
                #expect(packed.follows >= handle || packed.count == 0)
                // swift-format-ignore: ReplaceForEachWithForLoop
                try packed.forEach { handle, _ in beats.append(handle) }
                return true
            }
            #expect(beats == Array(repeating: handle, count: 5))
            #expect(try events(in: directory).count == 3)
        }
    }

    @Test("across a restart silence goes on from the last beat, less one ttl")
    func acrossRestart() async throws {
        try await withTemporaryDirectory { directory in
            let clock = FakeClock()
            let options = testOptions(directory) { options in
                options.clockSource = clock.source
                options.healthPolicy = .default
            }
            let (key, silent) = (try sampleKey("a", "b"), try sampleKey("a", "silent"))
            try await withRegistry(options) { registry in
                try await registry.register(try sampleInstance("a", "b", port: 1), .healthy)
                try await registry.register(try sampleInstance("a", "silent", port: 2), .healthy)
                try await registry.pass(.milliseconds(800), on: clock)
                _ = await beat(registry, Heartbeat(key: key))
            }
            // Down for ten minutes.
            clock.advance(by: .seconds(600))
            try await withRegistry(options) { registry in
                #expect(registry.silence(of: key) == .zero)
                #expect(registry.silence(of: silent) == .zero)
                try await registry.pass(.milliseconds(400), on: clock)
            }
            clock.advance(by: .seconds(600))
            try await withRegistry(options) { registry in
                // The allowance was given at the start before this one.
                #expect(registry.silence(of: key) == .milliseconds(400))
                #expect(registry.silence(of: silent) == .milliseconds(400))
            }
        }
    }
}
