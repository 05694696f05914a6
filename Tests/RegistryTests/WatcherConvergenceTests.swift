import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// Readers of random slowness that disconnect and resume at random: whatever they miss in between, each ends with what
/// the view says, and none sees an instance go back.
@Suite("Watchers converge")
struct WatcherConvergenceTests {
    private struct Reader {
        let services: WatchedServices
        var watch: Subscription
        var state = WatcherState()
        /// Where it would resume: behind the last whole step.
        var cursor: WatchCursor?
    }

    @Test(arguments: [11, 12, 13, 14] as [UInt64])
    func converge(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try withWatchBench { bench in
            let some: WatchedServices = .named([try ServiceName("s1"), try ServiceName("s3"), try ServiceName("none")])
            var readers = [.all, .all, some, .all, some].map { Reader(services: $0, watch: bench.subscribe($0)) }
            for _ in 0..<400 {
                let index = Int.random(in: 0..<readers.count, using: &random)
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<5: try bench.commit(try randomEvents(bench, &random))
                case 5..<9:
                    // The first is always quick, the last is hardly ever there.
                    try take(&readers[0])
                    if index < 4 || Bool.random(using: &random) { try take(&readers[index]) }
                default:
                    readers[index].watch.end()
                    // Every now and then with nothing left at all.
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        readers[index].cursor = nil
                        readers[index].state = WatcherState()
                    }
                    readers[index].watch = bench.subscribe(readers[index].services, from: readers[index].cursor)
                }
            }
            for index in readers.indices {
                repeat { try take(&readers[index]) } while readers[index].cursor?.sequence != bench.sequence
                let expected = try WatcherState.expected(bench.view, readers[index].services)
                #expect(readers[index].state.known == expected, "seed \(seed), reader \(index)")
            }
        }
    }

    @Test("what a watcher is told belongs to the place that it is told, however commits fall between")
    func consistency() async throws {
        try await withTemporaryDirectory { directory in
            let commits: UInt64 = 3_000
            // Only the writer commits; the reader uses what is Sendable of it.
            nonisolated(unsafe) let bench = try WatchBench(directory)
            try bench.commit(registering(try sampleInstance("a", "b")))
            let watch = bench.subscribe()
            let failed = Gathered<String>()
            let writer = WorkerThread(name: "test-writer") {
                do {
                    for version in 1..<commits {
                        try bench.commit(registering(try sampleInstance("a", "b") { $0.version = "\(version)" }))
                    }
                } catch {
                    failed.add("\(error)")
                }
            }
            var shown = 0.0
            var cursor = SequenceNumber.none
            while cursor.rawValue < commits, failed.all.isEmpty {
                let batch = try watch.takeBatch()
                for event in batch.events {
                    switch event {
                    case .service(_, let json, _, _):
                        shown = try JSONValue(parsing: json).elements.first?["sequence"]?.number ?? 0
                    case .upsert(_, let json): shown = try JSONValue(parsing: json)["sequence"]?.number ?? 0
                    default: break
                    }
                }
                cursor = try #require(batch.cursor).sequence
                // Every commit changes the instance.
                try #require(UInt64(shown) == cursor.rawValue)
            }
            await join(writer)
            #expect(failed.all == [])
        }
    }

    private func take(_ reader: inout Reader) throws {
        let batch = try reader.watch.takeBatch()
        try reader.state.take(batch)
        if let cursor = batch.cursor { reader.cursor = cursor }
    }

    /// Mostly small; at times enough to fall out of what is remembered by name.
    private func randomEvents(_ bench: WatchBench, _ random: inout SeededGenerator) throws -> [EventKind] {
        let count = Int.random(in: 0..<100, using: &random) == 0 ? 1_100 : Int.random(in: 1...6, using: &random)
        return try (0..<count).map { _ in
            let service = "s\(Int.random(in: 0..<8, using: &random))"
            let id = "i\(Int.random(in: 0..<20, using: &random))"
            let key = try sampleKey(service, id)
            let state = try bench.view.read { try $0.state(of: key) }
            let handle = state?.handle ?? SequenceNumber(1)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let instance = try sampleInstance(service, id, port: .random(in: 1...2, using: &random)) { instance in
                    instance.version = "\(Int.random(in: 0..<3, using: &random))"
                    // So that a whole state takes more than one batch.
                    instance.metadata = [MetadataEntry(key: "k", value: String(repeating: "x", count: 3_900))]
                }
                return registering(instance)
            case 5..<7: return .instanceDeregistered(key, handle: handle, cause: .requested)
            case 7:
                let health = Health.allCases.randomElement(using: &random) ?? .healthy
                return .healthChanged(
                    HealthChange(key: key, handle: handle, from: .healthy, to: health, cause: .reported)
                )
            case 8: return .servicePolicySet(key.service, MeshPolicy(retries: .random(in: 0...3, using: &random)))
            default: return .servicePolicyRemoved(key.service)
            }
        }
    }
}
