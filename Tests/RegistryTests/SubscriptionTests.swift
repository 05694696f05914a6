import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("Watches")
struct SubscriptionTests {
    /// `service a [b c]`, `upsert a/b`, `remove a/b`, `policy a`, `reset`, and `denied n` where there are any.
    private func words(_ batch: WatchBatch) throws -> [String] {
        try batch.events.compactMap { event -> String? in
            switch event {
            case .reset: return "reset"
            case .trustChanged: return "trust"
            case .denied(let revocations): return revocations.isEmpty ? nil : "denied \(revocations.count)"
            case .service(let name, _, nil, isKnown: false): return "unknown \(name)"
            case .service(let name, let instances, let policy, _):
                let ids = try JSONValue(parsing: instances).elements.map { $0["id"]?.text ?? "?" }
                return "service \(name) \(ids.joined(separator: ","))" + (policy == nil ? "" : " with policy")
            case .upsert(let name, let instance):
                return "upsert \(name)/\(try JSONValue(parsing: instance)["id"]?.text ?? "?")"
            case .remove(let key): return "remove \(key)"
            case .policy(let name, let policy): return "policy \(name)\(policy == nil ? " gone" : "")"
            }
        }
    }

    @Test("a new watcher gets the whole state, then what changes, each step with its place")
    func initialAndChanges() throws {
        try withWatchBench { bench in
            let b = try sampleInstance("a", "b")
            try bench.commit(registering(b), registering(try sampleInstance("z", "y")))
            let watch = bench.subscribe()
            let first = try watch.takeBatch()
            #expect(try words(first) == ["service a b", "service z y"])
            #expect(first.cursor == bench.cursor(2))
            #expect(try watch.takeBatch() == WatchBatch(events: [], cursor: bench.cursor(2)))
            try bench.commit(registering(try sampleInstance("a", "c")))
            try bench.commit(.servicePolicySet(b.key.service, MeshPolicy(retries: 1)))
            #expect(try words(try watch.takeBatch()) == ["upsert a/c", "policy a"])
            try bench.commit(.instanceDeregistered(b.key, handle: SequenceNumber(1), cause: .requested))
            try bench.commit(.servicePolicyRemoved(b.key.service))
            let last = try watch.takeBatch()
            #expect(try words(last) == ["remove a/b", "policy a gone"])
            #expect(last.cursor == bench.cursor(6))
        }
    }

    @Test("a watcher of some services hears of no others, and of one that is not there yet that nobody knows it")
    func named() throws {
        try withWatchBench { bench in
            try bench.commit(registering(try sampleInstance("a", "b")))
            let watch = bench.subscribe(.named([try ServiceName("a"), try ServiceName("later")]))
            #expect(try words(try watch.takeBatch()) == ["service a b", "unknown later"])
            try bench.commit(registering(try sampleInstance("a-b", "c")), registering(try sampleInstance("later", "d")))
            #expect(try words(try watch.takeBatch()) == ["upsert later/d"])
        }
    }

    @Test("steps that nobody saw are merged into the last state")
    func merged() throws {
        try withWatchBench { bench in
            let b = try sampleInstance("a", "b")
            let watch = bench.subscribe()
            _ = try watch.takeBatch()
            for version in 0..<50 {
                try bench.commit(registering(try sampleInstance("a", "b") { $0.version = "\(version)" }))
            }
            let batch = try watch.takeBatch()
            #expect(try words(batch) == ["upsert a/b"])
            guard case .upsert(_, let json)? = batch.events.first else { return }
            #expect(try JSONValue(parsing: json)["version"] == .string("49"))
            try bench.commit(registering(try sampleInstance("a", "c")))
            try bench.commit(.instanceDeregistered(b.key, handle: SequenceNumber(1), cause: .requested))
            try bench.commit(registering(b))
            #expect(try words(try watch.takeBatch()) == ["upsert a/b", "upsert a/c"])
        }
    }

    @Test("a watcher that resumes is sent the services that changed since, whole")
    func resume() throws {
        try withWatchBench { bench in
            try bench.commit(
                registering(try sampleInstance("a", "b")),
                registering(try sampleInstance("c", "d")),
                registering(try sampleInstance("e", "f"))
            )
            try bench.commit(registering(try sampleInstance("c", "g")))
            try bench.commit(
                .instanceDeregistered(try sampleKey("e", "f"), handle: SequenceNumber(3), cause: .requested)
            )
            let watch = bench.subscribe(.all, from: bench.cursor(3))
            let batch = try watch.takeBatch()
            #expect(try words(batch) == ["service c d,g", "service e "])
            #expect(batch.cursor == bench.cursor(5))
            let upToDate = bench.subscribe(.all, from: bench.cursor(5))
            let nothing = try upToDate.takeBatch()
            #expect(nothing == WatchBatch(events: [.denied([])], cursor: bench.cursor(5)))
            let named = bench.subscribe(.named([try ServiceName("a"), try ServiceName("c")]), from: bench.cursor(3))
            #expect(try words(try named.takeBatch()) == ["service c d,g"])
        }
    }

    @Test("a cursor of another history, or from the future, is answered with everything")
    func reset() throws {
        try withWatchBench { bench in
            try bench.commit(registering(try sampleInstance("a", "b")))
            for cursor in [bench.cursor(1, epoch: Epoch(rawValue: 1)), bench.cursor(2)] {
                let batch = try bench.subscribe(.all, from: cursor).takeBatch()
                #expect(try words(batch) == ["reset", "service a b"])
                #expect(batch.cursor == bench.cursor(1))
            }
        }
    }

    @Test("a cursor from before rows of empty services were forgotten is answered with everything")
    func forgotten() throws {
        try withWatchBench { bench in
            try bench.commit(registering(try sampleInstance("a", "b")), registering(try sampleInstance("c", "d")))
            try bench.commit(
                .instanceDeregistered(try sampleKey("a", "b"), handle: SequenceNumber(1), cause: .expired)
            )
            bench.clock.advance(by: .seconds(2 * 86_400))
            try bench.commit(.registryStarted(version: "0", clean: true))
            #expect(
                try words(try bench.subscribe(.all, from: bench.cursor(2)).takeBatch()) == ["reset", "service c d"]
            )
            #expect(try words(try bench.subscribe(.all, from: bench.cursor(4)).takeBatch()) == [])
        }
    }

    @Test("a reader that is far behind is sent whole services again, and costs a bounded number of names")
    func slowReader() throws {
        try withWatchBench { bench in
            let watch = bench.subscribe()
            _ = try watch.takeBatch()
            var pending = PendingChanges()
            for start in stride(from: 0, to: 3_000, by: 500) {
                let instances = try (start..<start + 500).map { try sampleInstance("a", "i\($0)") }
                try bench.commit(instances.map { registering($0) })
                for instance in instances { pending.note(.upserted(instance.key)) }
                #expect(pending.instances.count <= SubscriptionHub.pendingInstances)
            }
            #expect(pending.instances.isEmpty && pending.wholeServices.count == 1)
            try bench.commit(registering(try sampleInstance("z", "y")))
            var state = WatcherState()
            var kinds: [String] = []
            while true {
                let batch = try watch.takeBatch()
                kinds += try words(batch).map { String($0.prefix(9)) }
                try state.take(batch)
                if batch.cursor != nil { break }
            }
            #expect(kinds == ["service a", "upsert z/"])
            #expect(try state.known == WatcherState.expected(bench.view, .all))
        }
    }

    @Test("a large state comes in several batches, and only the last has a cursor")
    func largeState() throws {
        try withWatchBench { bench in
            for service in ["a", "b", "c", "d"] {
                try bench.commit(
                    try (0..<40).map { index in
                        registering(
                            try sampleInstance(service, "i\(index)") { instance in
                                instance.metadata = [
                                    MetadataEntry(key: "k", value: String(repeating: "x", count: 3_000))
                                ]
                            }
                        )
                    }
                )
            }
            let watch = bench.subscribe()
            let first = try watch.takeBatch()
            #expect(first.cursor == nil && !first.events.isEmpty)
            // What changes in between is read with the rest.
            try bench.commit(registering(try sampleInstance("d", "i0") { $0.version = "new" }))
            var state = WatcherState()
            try state.take(first)
            var batches = 1
            while true {
                let batch = try watch.takeBatch()
                batches += 1
                try state.take(batch)
                if batch.cursor != nil { break }
            }
            #expect(batches == 2)
            #expect(try state.known == WatcherState.expected(bench.view, .all))
        }
    }

    @Test("a commit that fails is told to nobody")
    func failedCommit() throws {
        struct Stop: Error {}
        try withWatchBench { bench in
            let watch = bench.subscribe()
            _ = try watch.takeBatch()
            let key = try sampleKey("a", "b")
            #expect(throws: Stop.self) {
                try bench.hub.publish(through: SequenceNumber(1), [.upserted(key)], now: bench.clock.monotonic) {
                    throw Stop()
                }
            }
            #expect(bench.hub.published == .none)
            #expect(try watch.takeBatch().events == [])
        }
    }

    @Test("who waits longest is known, and whoever hears nothing for ten seconds is woken")
    func load() throws {
        try withWatchBench { bench in
            let woken = Gathered<Int>()
            let waker = SubscriptionHub.Waker(wake: { woken.add(1) }, end: { woken.add(-1) })
            let id = bench.hub.add(.all, now: bench.clock.monotonic, waker: waker)
            bench.clock.advance(by: .seconds(9))
            bench.hub.wakeIdle(now: bench.clock.monotonic)
            #expect(woken.all == [])
            bench.clock.advance(by: .seconds(1))
            bench.hub.wakeIdle(now: bench.clock.monotonic)
            #expect(woken.all == [1])
            try bench.commit(registering(try sampleInstance("a", "b")))
            bench.clock.advance(by: .seconds(3))
            let load = bench.hub.load(now: bench.clock.monotonic)
            #expect(load.subscribers == 1 && load.slowest == .seconds(3))
            bench.hub.endAll()
            #expect(woken.all == [1, 1, -1])
            bench.hub.remove(id)
            _ = bench.hub.add(.all, now: bench.clock.monotonic, waker: waker)
            #expect(woken.all == [1, 1, -1, -1])
        }
    }
}
