import EventLog
import Registry
import RegistryModel
import TestSupport
import Testing

@testable import RegistryAPI

@Suite("Those who follow the log")
struct LogStreamTests {
    private func withRegistry(_ body: (ServiceRegistry) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let registry = try ServiceRegistry.open(
                ServiceRegistry.Options(dataDirectory: directory + "/data", reserveBytes: 0),
                notice: { _ in },
                fatal: { _ in }
            )
            defer { registry.stop(reason: "followed") }
            try await body(registry)
        }
    }

    @Test("there is room for so many, and again when one has gone")
    func room() throws {
        let followers = LogFollowers(atMost: 2)
        var places = [try followers.admit(), try followers.admit()]
        for _ in 0..<3 {
            let refusal = #expect(throws: ProblemDetails.self) { _ = try followers.admit() }
            #expect(refusal?.status == 503 && refusal?.code == "too-many-followers")
            #expect(refusal?.retryAfterSeconds == 60)
        }
        places.removeLast()
        places.append(try followers.admit())
        #expect(throws: ProblemDetails.self) { _ = try followers.admit() }
        withExtendedLifetime(places) {}
    }

    @Test("an answer ends by itself when nothing has come for so long, and its place is free then")
    func idle() async throws {
        try await withRegistry { registry in
            let followers = LogFollowers(atMost: 1)
            var shown: [UInt8] = []
            let began = ContinuousClock.now
            do {
                let stream = LogStreamBody(
                    registry: registry,
                    from: SequenceNumber(1),
                    place: try followers.admit(),
                    idle: .milliseconds(300)
                )
                #expect(throws: ProblemDetails.self) { _ = try followers.admit() }
                try await stream.write { shown += $0 }
            }
            #expect(ContinuousClock.now - began >= .milliseconds(300))
            let held = try readFile(LogReader.path(of: SequenceNumber(1), in: registry.dataDirectory.log))
            #expect(!shown.isEmpty && held.starts(with: shown))
            _ = try followers.admit()
        }
    }

    @Test("what comes in time keeps an answer going")
    func news() async throws {
        try await withRegistry { registry in
            let stream = LogStreamBody(
                registry: registry,
                from: registry.sequence.next,
                place: try LogFollowers().admit(),
                idle: .milliseconds(800)
            )
            var pieces = 0
            try await add(0, to: registry)
            try await stream.write { _ in
                pieces += 1
                guard pieces < 4 else { return }
                try await Task.sleep(for: .milliseconds(300))
                try await add(pieces, to: registry)
            }
            #expect(pieces == 4)
        }
    }

    private func add(_ number: Int, to registry: ServiceRegistry) async throws {
        let instance = Sample.instance("billing", "b-\(number)")
        _ = try await registry.submit(
            .register(Registration(instance: instance, health: .healthy)),
            actor: Actor(.uid(0))
        )
    }
}
