import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// A view and a hub without a log: a test commits events and takes batches by hand.
final class WatchBench {
    static let epoch = Epoch(rawValue: 0xE)
    let view: RegistryView
    let hub = SubscriptionHub(published: .none)
    let clock = FakeClock()
    private(set) var sequence = SequenceNumber.none
    private let registryClock: RegistryClock

    init(_ directory: String) throws {
        registryClock = RegistryClock(source: clock.source)
        view = try RegistryView.open(directory: directory + "/view", access: .readWrite)
        try view.write { $0.bind(registryID: RegistryID(rawValue: 1), epoch: Self.epoch, applied: .none) }
    }

    func commit(_ kinds: EventKind...) throws {
        try commit(kinds)
    }

    func commit(_ kinds: [EventKind]) throws {
        var changes: [ViewChange] = []
        try view.write(
            { store in
                for kind in kinds {
                    sequence = sequence.next
                    let event = Event(sequence: sequence, time: clock.wall, actor: nil, kind: kind)
                    try Projection.apply(event, to: &store, changes: &changes)
                }
                try store.setApplied(sequence)
            },
            committing: { commit in
                try hub.publish(through: sequence, changes, now: clock.monotonic, committing: commit)
            }
        )
    }

    func subscribe(_ services: WatchedServices = .all, from cursor: WatchCursor? = nil) -> Subscription {
        Subscription(
            hub: hub,
            view: view,
            clock: registryClock,
            epoch: Self.epoch,
            services: services,
            cursor: cursor
        )
    }

    func cursor(_ sequence: UInt64, epoch: Epoch = WatchBench.epoch) -> WatchCursor {
        WatchCursor(epoch: epoch, sequence: SequenceNumber(sequence))
    }
}

func withWatchBench(_ body: (WatchBench) throws -> Void) throws {
    try withTemporaryDirectory { directory in try body(try WatchBench(directory)) }
}

func registering(_ instance: Instance, _ health: Health = .healthy) -> EventKind {
    .instanceRegistered(instance, health: health)
}

/// What a watcher knows after the events that it was sent.
struct WatcherState: Equatable {
    struct Service: Equatable {
        /// JSON by id.
        var instances: [String: JSONValue] = [:]
        var policy: MeshPolicy?

        var isEmpty: Bool {
            instances.isEmpty && policy == nil
        }
    }

    private(set) var services: [ServiceName: Service] = [:]
    /// The newest `sequence` seen of each instance, gone or not.
    private var newest: [InstanceKey: Double] = [:]

    /// Only what is there: of a service without anything some watchers know and some do not.
    var known: [ServiceName: Service] {
        services.filter { !$0.value.isEmpty }
    }

    mutating func take(_ batch: WatchBatch) throws {
        for event in batch.events { try take(event) }
    }

    private mutating func take(_ event: WatchEvent) throws {
        switch event {
        case .reset: services = [:]
        case .denied, .trustChanged: break
        case .service(let name, let instances, let policy, _):
            var service = Service(policy: policy)
            for instance in try JSONValue(parsing: instances).elements {
                let id = try see(instance, of: name)
                #expect(service.instances.updateValue(instance, forKey: id) == nil)
            }
            services[name] = service
        case .upsert(let name, let json):
            let instance = try JSONValue(parsing: json)
            services[name, default: Service()].instances[try see(instance, of: name)] = instance
        case .remove(let key): services[key.service]?.instances[key.id.description] = nil
        case .policy(let name, let policy): services[name, default: Service()].policy = policy
        }
    }

    private mutating func see(_ instance: JSONValue, of name: ServiceName) throws -> String {
        let id = try #require(instance["id"]?.text)
        let sequence = try #require(instance["sequence"]?.number)
        let key = try sampleKey(name.description, id)
        #expect(sequence >= newest[key] ?? 0, "\(key) went back to \(sequence)")
        newest[key] = max(newest[key] ?? 0, sequence)
        return id
    }

    /// What a view says, as a watcher of these services should know it.
    static func expected(_ view: RegistryView, _ watched: WatchedServices) throws -> [ServiceName: Service] {
        try view.read { snapshot in
            var names: [(ServiceName, MeshPolicy?)] = []
            try snapshot.forEachService(after: nil, limit: .max) { names.append(($0.name, $0.policy)) }
            var services: [ServiceName: Service] = [:]
            for (name, policy) in names where watched.contains(name) {
                var service = Service(policy: policy)
                try snapshot.forEachFragment(of: name, matching: .all) { fragment in
                    let instance = try JSONValue(parsing: [UInt8](fragment))
                    service.instances[instance["id"]?.text ?? ""] = instance
                }
                if !service.isEmpty { services[name] = service }
            }
            return services
        }
    }
}
