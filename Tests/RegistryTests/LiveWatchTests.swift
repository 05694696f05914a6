import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// The same promises as in ``WatcherConvergenceTests``, with threads, tasks and a log: nothing here is repeatable, so
/// what must hold is looked at all the way.
@Suite("Watches of a live registry")
struct LiveWatchTests {
    private static let rounds = 60
    private static let marker = "zz-marker"

    @Test("readers that are slow, leave and come back end with what the view says, and none sees anything go back")
    func converge() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let states = try await withThrowingTaskGroup(of: WatcherState?.self) { group in
                    for writer in 0..<3 {
                        group.addTask {
                            try await write(registry, writer)
                            return nil
                        }
                    }
                    for reader in 0..<6 {
                        group.addTask { try await read(registry, SeededGenerator(seed: UInt64(reader))) }
                    }
                    var states: [WatcherState] = []
                    var writers = 0
                    while let state = try await group.next() {
                        if let state { states.append(state) } else { writers += 1 }
                        // What every reader waits for, behind all else.
                        if state == nil, writers == 3 {
                            try await registry.register(try sampleInstance(Self.marker, "m"))
                        }
                    }
                    return states
                }
                let expected = try WatcherState.expected(registry.view, .all)
                #expect(states.count == 6)
                for state in states { #expect(state.known == expected) }
                #expect(registry.status().subscribers == 0)
            }
        }
    }

    private func write(_ registry: ServiceRegistry, _ writer: Int) async throws {
        var random = SeededGenerator(seed: UInt64(100 + writer))
        for _ in 0..<Self.rounds {
            let (service, id) = (
                "s\(Int.random(in: 0..<3, using: &random))", "i\(Int.random(in: 0..<5, using: &random))"
            )
            do {
                if Int.random(in: 0..<3, using: &random) == 0 {
                    let leave = Command.deregister(try sampleKey(service, id), ifMatch: nil)
                    _ = try await registry.submit(leave, actor: operatorActor)
                } else {
                    let port = UInt16.random(in: 1...3, using: &random)
                    try await registry.register(try sampleInstance(service, id, port: port), .healthy)
                }
            } catch let error as RegistryError where error.code.description.hasPrefix("unknown-") {
                continue
            }
        }
    }

    private func read(_ registry: ServiceRegistry, _ generator: SeededGenerator) async throws -> WatcherState {
        struct Leave: Error {}
        var random = generator
        var state = WatcherState()
        var cursor: WatchCursor?
        let marker = try ServiceName(Self.marker)
        while state.known[marker] == nil {
            do {
                try await registry.withSubscription(to: .all, resumingFrom: cursor) { watch in
                    try await watch.forEachBatch { batch in
                        try state.take(batch)
                        if let reached = batch.cursor { cursor = reached }
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0...3, using: &random)))
                        let isTired = Int.random(in: 0..<6, using: &random) == 0
                        if isTired || state.known[marker] != nil { throw Leave() }
                    }
                }
            } catch is Leave {}
        }
        return state
    }
}
