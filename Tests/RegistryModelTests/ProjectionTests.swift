import RegistryModel
import TestSupport
import Testing

@Suite("The projection")
struct ProjectionTests {
    /// Applies events and keeps what they changed.
    private struct Fold {
        var store = MemoryRecordStore()
        var changes: [ViewChange] = []
        var last: UInt64 = 0

        mutating func apply(_ kind: EventKind, at time: Timestamp? = nil) {
            last += 1
            let event = Event(
                sequence: SequenceNumber(last),
                time: time ?? Sample.time.advanced(by: .seconds(Int64(last))),
                actor: nil,
                kind: kind
            )
            Projection.apply(event, to: &store, changes: &changes)
        }
    }

    private let instance = Sample.instance()

    private func change(_ handle: UInt64, to health: Health) -> EventKind {
        .healthChanged(
            HealthChange(
                key: instance.key,
                handle: SequenceNumber(handle),
                from: .starting,
                to: health,
                cause: .reported
            )
        )
    }

    @Test("a registration's handle is its sequence; the same incarnation keeps it, another gets a new one")
    func handles() throws {
        var fold = Fold()
        fold.apply(.instanceRegistered(instance, health: .starting))
        var tagged = instance
        tagged.tags = ["new"]
        fold.apply(.instanceRegistered(tagged, health: .healthy))
        var state = try #require(fold.store.state(of: instance.key))
        #expect(state.handle.rawValue == 1 && state.modified.rawValue == 2 && state.health == .healthy)
        #expect(fold.store.instance(instance.key)?.tags == ["new"])
        var restarted = tagged
        restarted.startID = "another"
        fold.apply(.instanceRegistered(restarted, health: .starting))
        state = try #require(fold.store.state(of: instance.key))
        #expect(state.handle.rawValue == 3)
        #expect(fold.store.service(instance.key.service)?.counts.total == 1)
        #expect(fold.changes == [ViewChange](repeating: .upserted(instance.key), count: 3))
    }

    @Test("what speaks of an earlier incarnation changes nothing")
    func staleHandles() throws {
        var fold = Fold()
        fold.apply(.instanceRegistered(instance, health: .healthy))
        let (store, changes) = (fold.store, fold.changes)
        fold.apply(change(9, to: .unhealthy))
        fold.apply(.instanceDraining(instance.key, handle: SequenceNumber(9)))
        fold.apply(.instanceDeregistered(instance.key, handle: SequenceNumber(9), cause: .requested))
        fold.apply(.instanceDeregistered(Sample.key("other", "x"), handle: SequenceNumber(1), cause: .requested))
        #expect(fold.store == store)
        #expect(fold.changes == changes)
    }

    @Test("since is when the present health began")
    func since() throws {
        var fold = Fold()
        fold.apply(.instanceRegistered(instance, health: .starting))
        fold.apply(change(1, to: .healthy))
        let since = try #require(fold.store.state(of: instance.key)).since
        fold.apply(change(1, to: .healthy))
        #expect(fold.store.state(of: instance.key)?.since == since)
        fold.apply(.instanceDraining(instance.key, handle: SequenceNumber(1)))
        #expect(fold.store.state(of: instance.key)?.health == .draining)
        #expect(fold.store.state(of: instance.key)?.cause == .requested)
        #expect(try #require(fold.store.state(of: instance.key)).since > since)
    }

    @Test("a service's row outlives its last instance by a day, unless it has a policy")
    func staleServices() throws {
        var fold = Fold()
        fold.apply(.instanceRegistered(instance, health: .healthy), at: Timestamp(rawValue: 0))
        fold.apply(
            .instanceDeregistered(instance.key, handle: SequenceNumber(1), cause: .expired),
            at: Timestamp(rawValue: 0)
        )
        let kept = Sample.key("kept", "x").service
        fold.apply(.servicePolicySet(kept, MeshPolicy(retries: 1)), at: Timestamp(rawValue: 0))
        let day = Timestamp(rawValue: 0).advanced(by: Projection.emptyServiceLifetime)
        fold.apply(.registryStarted(version: "1", clean: true), at: day)
        #expect(fold.store.services.count == 2)
        #expect(fold.store.registry().servicesForgotten == .none)
        fold.apply(.registryStarted(version: "1", clean: true), at: day.advanced(by: .seconds(1)))
        #expect(Array(fold.store.services.keys) == [kept])
        #expect(fold.store.registry().servicesForgotten.rawValue == 5)
    }

    @Test("an external service goes with all that it has")
    func external() throws {
        var random = SeededGenerator(seed: 1)
        let external = random.externalService()
        var fold = Fold()
        fold.apply(.externalServiceAdded(external))
        #expect(fold.store.service(external.key.service)?.isExternal == true)
        fold.apply(.externalServiceRemoved(external.key.service))
        #expect(fold.store.instances.isEmpty)
        #expect(fold.changes == [.upserted(external.key), .removed(external.key)])
    }

    @Test("protection is held and released by an operator's word")
    func protection() {
        var fold = Fold()
        let report = ProtectionReport(expected: 9, seen: 1, why: "test")
        fold.apply(.protectionStarted(report))
        #expect(fold.store.registry().protection?.report == report)
        fold.apply(.guardOverridden(.hold))
        #expect(fold.store.registry().protection?.isHeld == true)
        #expect(fold.store.registry().protection?.report == report)
        fold.apply(.guardOverridden(.release))
        #expect(fold.store.registry().protection == nil)
        fold.apply(.guardOverridden(.hold))
        #expect(fold.store.registry().protection?.isHeld == true)
        fold.apply(.protectionEnded(report))
        #expect(fold.store.registry().protection == nil)
    }

    @Test("counts stay those of a recount, whatever happens", arguments: 0..<12)
    func counts(run: Int) throws {
        var random = SeededGenerator(usual: UInt64(1_000 + run))
        var fold = Fold()
        for _ in 0..<250 {
            let row = fold.store.instances.values.sorted { $0.instance.key < $1.instance.key }
            let known = row.isEmpty ? nil : random.pick(row)
            switch (random.below(6), known) {
            case (0...1, _): fold.apply(random.eventKind(0))
            case (2, let row?):
                fold.apply(.instanceDeregistered(row.instance.key, handle: row.state.handle, cause: .requested))
            case (3, let row?):
                let to = random.pick(Health.allCases)
                let (key, handle) = (row.instance.key, row.state.handle)
                // What it says it was need not be what it is.
                let from = random.pick(Health.allCases)
                fold.apply(.healthChanged(HealthChange(key: key, handle: handle, from: from, to: to, cause: .reported)))
            case (4, let row?):
                var again = row.instance
                again.version = random.pick(["1.0", "3.0"])
                fold.apply(.instanceRegistered(again, health: random.pick(Health.allCases)))
            default: fold.apply(random.eventKind(random.below(SeededGenerator.eventKinds)))
            }
            for (name, service) in fold.store.services {
                var counts = HealthCounts()
                var versions: [String: UInt32] = [:]
                for row in fold.store.instances.values where row.instance.key.service == name {
                    counts[row.state.health] += 1
                    versions[row.instance.version, default: 0] += 1
                }
                let recounted = versions.map { VersionCount(version: $0.key, count: $0.value) }
                #expect(service.counts == counts, "seed \(random.seed)")
                #expect(service.versions == recounted.sorted { $0.version < $1.version }, "seed \(random.seed)")
            }
        }
    }
}
