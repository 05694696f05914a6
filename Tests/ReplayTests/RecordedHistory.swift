import EventLog
import MaterializedView
import OpenSSLCrypto
import Registry
import RegistryModel
import Replay
import TestSupport

/// A data directory as daemons leave it: two lives, checkpoints, heartbeats, and a note that somebody kept.
struct RecordedHistory {
    let directory: String

    var data: String { directory + "/data" }
    /// Kept elsewhere after the first life.
    var note: String { directory + "/kept.note" }
    var key: String { directory + "/kept.vkey" }

    func source() throws -> AuditSource {
        try AuditSource(dataDirectory: data)
    }

    func trusted() throws -> NoteKey {
        try NoteKey(vkey: try SmallFile.read(key).dropLast())
    }

    static func options(_ data: String) -> ServiceRegistry.Options {
        ServiceRegistry.Options(
            dataDirectory: data,
            // On a busy machine a test may last longer than a ttl is by default.
            healthPolicy: HealthPolicy(ttl: .seconds(86_400), deregisterAfter: .seconds(86_400)),
            reserveBytes: 0,
            version: "test",
            checkpoints: CheckpointOptions(trustDomain: "gov.local", interval: .seconds(3_600))
        )
    }

    /// One life of a registry.
    static func live(_ data: String, _ body: (ServiceRegistry) async throws -> Void) async throws {
        let registry = try ServiceRegistry.open(options(data), notice: { _ in }, fatal: { _ in })
        try await body(registry)
        registry.stop(reason: "test")
    }

    /// Records it in `directory`.
    static func record(in directory: String) async throws -> RecordedHistory {
        let history = RecordedHistory(directory: directory)
        _ = try runShell("mkdir -p \(directory)")
        try await live(history.data) { registry in
            for number in 1...12 { try await register(number, registry) }
            _ = try await registry.signCheckpoint()
            _ = try await registry.submit(
                .drain(try sampleKey("billing", "b-3"), ifMatch: nil),
                actor: Actor(.uid(1_001)),
                requestID: "9c1e"
            )
            _ = try await registry.submit(
                .setPolicy(try ServiceName("billing"), MeshPolicy(retries: 2, ttlMilliseconds: 30_000)),
                actor: Actor(.uid(1_001))
            )
        }
        try writeFile(history.note, try readFile(history.data + "/checkpoint.note"))
        try writeFile(history.key, try readFile(history.data + "/checkpoint.vkey"))
        try await live(history.data) { registry in
            for number in 13...30 { try await register(number, registry) }
            _ = try await registry.submit(
                .deregister(try sampleKey("billing", "b-1"), ifMatch: nil),
                actor: Actor(.uid(1_002))
            )
            _ = try await registry.signCheckpoint()
            for number in 31...40 { try await register(number, registry) }
        }
        return history
    }

    static func register(_ number: Int, _ registry: ServiceRegistry) async throws {
        let service = number.isMultiple(of: 3) ? "billing" : number.isMultiple(of: 2) ? "ledger" : "billing"
        let instance = try sampleInstance(service, "b-\(number)", port: UInt16(7_000 + number))
        _ = try await registry.submit(
            .register(Registration(instance: instance, health: .healthy)),
            actor: Actor(.uid(1_000)),
            requestID: "r-\(number)"
        )
    }

    /// The same, elsewhere, for a test to spoil.
    func copy(to directory: String) throws -> RecordedHistory {
        try copyTree(self.directory, to: directory)
        return RecordedHistory(directory: directory)
    }
}
