import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("The store of the projection")
struct LMDBRecordStoreTests {
    @Test("reads in a batch see what it wrote")
    func ownWrites() throws {
        try withView { view in
            let instance = try fullInstance()
            try view.write { store in
                try store.put(instance, sampleState())
                let found = try store.instance(instance.key)
                #expect(found == instance)
                try store.update(instance.key, sampleState(.unhealthy, .heartbeatMissed))
                let state = try store.state(of: instance.key)
                #expect(state?.health == .unhealthy)
                var service = ServiceRecord(name: instance.key.service)
                service.counts[.unhealthy] = 1
                try store.put(service)
                let row = try store.service(service.name)
                #expect(row == service)
                try store.remove(instance.key)
                let gone = try store.state(of: instance.key)
                #expect(gone == nil)
                try store.removeService(service.name)
                let none = try store.service(service.name)
                #expect(none == nil)
            }
            let totals = try view.read { try $0.totals }
            #expect(totals == ViewTotals())
        }
    }

    @Test("an update of what is not there is suspect")
    func updateMissing() throws {
        try withView { view in
            _ = #expect(throws: ViewError.suspect("")) {
                try view.write { store in try store.update(try sampleKey("a", "b"), sampleState()) }
            }
        }
    }

    @Test(
        "whatever happens, in batches of any size, the rows are those of a plain model",
        arguments: [1, 2, 3] as [UInt64]
    )
    func randomEvents(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var history = RandomHistory()
        try withView { view in
            var model = EventModel()
            for _ in 0..<25 {
                let batch = try (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    let event = try history.next(knowing: model, &random)
                    model.apply(event)
                    return event
                }
                try view.apply(batch)
                try compare(view, model, seed)
            }
        }
    }

    private func compare(_ view: RegistryView, _ model: EventModel, _ seed: UInt64) throws {
        try view.read { snapshot in
            var instances: [InstanceKey: EventModel.Entry] = [:]
            var services: [ServiceRecord] = []
            try snapshot.forEachService(after: nil, limit: .max) { services.append($0) }
            for service in services {
                for (instance, state) in try snapshot.instances(of: service.name) {
                    instances[instance.key] = EventModel.Entry(instance: instance, state: state)
                }
            }
            #expect(instances == model.instances, "seed \(seed)")
            #expect(services == model.services.keys.sorted().map { model.record(of: $0) }, "seed \(seed)")
            var totals = ViewTotals()
            totals.services = UInt64(services.count)
            for service in services { totals.health += service.counts }
            let (foundTotals, registry) = (try snapshot.totals, try snapshot.registry)
            #expect(foundTotals == totals, "seed \(seed)")
            #expect(registry == model.registry, "seed \(seed)")
            var walked: [InstanceKey] = []
            try snapshot.forEachInstance { key, state, lease in
                walked.append(key)
                #expect(model.instances[key]?.state == state && model.instances[key]?.instance.lease == lease)
            }
            #expect(walked == model.instances.keys.sorted(), "seed \(seed)")
        }
    }
}

/// Events that follow each other as they might, and some that fit nothing.
private struct RandomHistory {
    private var sequence = SequenceNumber.none
    private var time = Timestamp.sample(0)

    mutating func next(knowing model: EventModel, _ random: inout SeededGenerator) throws -> Event {
        sequence = sequence.next
        // Every now and then more than the day that an empty service is remembered.
        let isDaysLater = Int.random(in: 0..<20, using: &random) == 0
        time = time.advanced(
            by: isDaysLater ? .seconds(90_000) : .milliseconds(Int.random(in: 0...5_000, using: &random))
        )
        return Event(sequence: sequence, time: time, actor: nil, kind: try kind(model, &random))
    }

    private func kind(_ model: EventModel, _ random: inout SeededGenerator) throws -> EventKind {
        let service = ["a", "a-b", "b"].randomElement(using: &random) ?? "a"
        let id = "i\(Int.random(in: 0..<6, using: &random))"
        let key = try sampleKey(service, id)
        // Mostly the incarnation that is there, at times one long gone.
        let known = model.instances[key]?.state.handle ?? SequenceNumber(1)
        let handle = Int.random(in: 0..<8, using: &random) == 0 ? SequenceNumber(3) : known
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<7:
            let instance = try sampleInstance(service, id, port: .random(in: 1...2, using: &random)) { instance in
                instance.version = "\(Int.random(in: 0..<3, using: &random))"
                instance.lease =
                    [.inherited, .permanent, .ttl(milliseconds: 5_000)].randomElement(using: &random)
                    ?? .inherited
            }
            return .instanceRegistered(instance, health: Health.allCases.randomElement(using: &random) ?? .healthy)
        case 7..<11: return .instanceDeregistered(key, handle: handle, cause: .expired)
        case 11: return .instanceDraining(key, handle: handle)
        case 12..<15:
            return .healthChanged(
                HealthChange(
                    key: key,
                    handle: handle,
                    from: .healthy,
                    to: Health.allCases.randomElement(using: &random) ?? .healthy,
                    cause: TransitionCause.allCases.randomElement(using: &random) ?? .reported,
                    detail: Bool.random(using: &random) ? "because" : ""
                )
            )
        case 15: return .servicePolicySet(key.service, MeshPolicy(retries: .random(in: 0...3, using: &random)))
        case 16: return .servicePolicyRemoved(key.service)
        case 17: return .externalServiceAdded(try sampleExternal("ext"))
        case 18: return .externalServiceRemoved(try ServiceName("ext"))
        default: return .registryStarted(version: "0", clean: true)
        }
    }
}
