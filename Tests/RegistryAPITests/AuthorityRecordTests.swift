import EventLog
import Identity
import Registry
import RegistryModel
import TestSupport
import Testing

@testable import RegistryAPI

@Suite("What the certificate authority does is on record")
struct AuthorityRecordTests {
    private struct Refused: Error {}

    private func withRegistry(_ body: (ServiceRegistry, _ directory: String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let registry = try ServiceRegistry.open(
                ServiceRegistry.Options(dataDirectory: directory + "/data", reserveBytes: 0),
                notice: { _ in },
                fatal: { _ in }
            )
            let result: Result<Void, any Error>
            do { result = .success(try await body(registry, directory)) } catch { result = .failure(error) }
            registry.stop(reason: "looked at")
            try result.get()
        }
    }

    private func authority(of registry: ServiceRegistry) throws -> RegistryAuthority {
        var schedule = RotationSchedule()
        schedule.overlap = .zero
        return try RegistryAuthority(registry, trustDomain: TrustDomain("gov.local"), schedule: schedule)
    }

    /// Kinds and actors of its changes, in the log's order.
    private func recorded(_ directory: String) throws -> [(AuthorityChange.Kind, Actor?)] {
        let reader = try LogReader(directory: directory + "/data/log", stream: .log)
        var found: [(AuthorityChange.Kind, Actor?)] = []
        try reader.forEach(from: SequenceNumber(1)) { event, _ in
            if case .authorityChanged(let change) = event.kind { found.append((change.kind, event.actor)) }
            return true
        }
        return found
    }

    @Test("who rotates is on record with it, and the registry itself with what follows")
    func rotation() async throws {
        try await withRegistry { registry, directory in
            let authority = try authority(of: registry)
            let operatorHimself = Actor(.uid(1_001), peer: "")
            try await authority.rotate { try await registry.submit($0, actor: operatorHimself) }
            #expect(try authority.tend().count == 1)
            try await authority.recordChanges()
            try await authority.finishRotation { try await registry.submit($0, actor: operatorHimself) }
            try await authority.recordChanges()
            let recorded = try recorded(directory)
            #expect(recorded.map(\.0) == [.rotationBegun, .rootHandedOver, .rotationEnded])
            #expect(recorded.map(\.1) == [operatorHimself, nil, operatorHimself])
        }
    }

    @Test("what the log refused, or a crash kept from it, is on record later, and once")
    func later() async throws {
        try await withRegistry { registry, directory in
            await #expect(throws: Refused.self) {
                try await authority(of: registry).rotate { _ in throw Refused() }
            }
            #expect(try recorded(directory).isEmpty)
            // As after a start.
            let again = try authority(of: registry)
            try await again.recordChanges()
            try await again.recordChanges()
            try await authority(of: registry).recordChanges()
            #expect(try recorded(directory).map(\.0) == [.rotationBegun])
        }
    }
}
