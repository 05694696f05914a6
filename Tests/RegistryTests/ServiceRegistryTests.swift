import EventLog
import Glibc
import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

@Suite("The registry as a whole")
struct ServiceRegistryTests {
    @Test("a write is durable and visible when it is answered")
    func writeThenRead() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let reply = try await registry.register(try sampleInstance("a", "b"), .healthy)
                #expect(reply.result == .registered && reply.ttl == .seconds(3_600))
                #expect(try registry.ids(of: "a") == ["b"])
                let logged = try events(in: directory)
                #expect(logged.last?.sequence == reply.handle)
                #expect(logged.last?.kind == .instanceRegistered(try sampleInstance("a", "b"), health: .healthy))
                #expect(logged.last?.actor == operatorActor)
                #expect(registry.sequence == reply.handle)
            }
            #expect(try events(in: directory).map(\.kind).last == .registryStopped(reason: "test"))
        }
    }

    @Test("commands of one request are answered in order, each for itself")
    func severalCommands() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let commands: [Command] = [
                    .register(Registration(instance: try sampleInstance("a", "b"))),
                    .removeService(try ServiceName("none")),
                    .register(Registration(instance: try sampleInstance("a", "b"))),
                    .deregister(try sampleKey("a", "b"), ifMatch: nil),
                ]
                let results = await withCheckedContinuation { continuation in
                    registry.submit(commands, actor: operatorActor, requestID: "r1") {
                        continuation.resume(returning: $0)
                    }
                }
                let words = results.map { result in
                    switch result {
                    case .success(let outcome): "\(outcome.reply)".prefix(10)
                    case .failure(let error): Substring("\(error.code)")
                    }
                }
                #expect(words == ["registered", "unknown-service", "registered", "deregister"])
                #expect(try registry.ids(of: "a") == [])
                #expect(try events(in: directory).suffix(2).map(\.requestID) == ["r1", "r1"])
            }
        }
    }

    @Test("of registrations from many tasks each acknowledged one is in the log once, and sequences have no gap")
    func concurrent() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let handles = try await withThrowingTaskGroup(of: [InstanceHandle].self) { group in
                    for task in 0..<16 {
                        group.addTask {
                            var handles: [InstanceHandle] = []
                            for index in 0..<25 {
                                let instance = try sampleInstance("s\(index % 5)", "t\(task)-\(index)")
                                handles.append(try await registry.register(instance).handle)
                            }
                            return handles
                        }
                    }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                #expect(Set(handles).count == 400)
                let logged = try events(in: directory)
                #expect(logged.map(\.sequence.rawValue) == Array(1...UInt64(logged.count)))
                let registered = logged.compactMap { event -> InstanceHandle? in
                    if case .instanceRegistered = event.kind { event.sequence } else { nil }
                }
                #expect(registered == handles.sorted())
                // Group commit: far fewer batches than commands.
                #expect(registry.metrics.batches.value <= 401)
                #expect(try registry.view.read { try $0.totals }.health.total == 400)
            }
        }
    }

    @Test("a second daemon on the same directory is refused, and told who holds it")
    func secondDaemon() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                try await registry.register(try sampleInstance("a", "b"))
                let error = #expect(throws: RegistryError.self) {
                    _ = try ServiceRegistry.open(testOptions(directory), notice: { _ in }, fatal: { _ in })
                }
                #expect(error?.code == .alreadyHeld)
                #expect(DataDirectory.holder(of: testOptions(directory).dataDirectory) == getpid())
                #expect(error?.message.contains("another hms-regd (pid ") == true)
                #expect(error?.hint?.contains("one daemon a data directory") == true)
                #expect(try registry.ids(of: "a") == ["b"])
            }
        }
    }

    @Test("watches and instances that beat are those who need it")
    func clients() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                #expect(registry.clientCount == 0)
                try await registry.register(try sampleInstance("a", "b"))
                #expect(registry.clientCount == 1)
                await registry.withSubscription(to: .all, resumingFrom: nil) { _ in
                    #expect(registry.clientCount == 2)
                }
                #expect(registry.clientCount == 1)
            }
        }
    }

    @Test("a directory that can't be made is refused in words")
    func unusableDirectory() throws {
        #expect(throws: RegistryError(.dataDirectory, "")) {
            _ = try ServiceRegistry.open(testOptions("/proc/none"), notice: { _ in }, fatal: { _ in })
        }
    }

    @Test("an unhealthy one that registers again has a whole ttl from then on")
    func revivedLease() async throws {
        try await withTemporaryDirectory { directory in
            let clock = FakeClock()
            let options = testOptions(directory) { options in
                options.clockSource = clock.source
                options.healthPolicy.ttl = .milliseconds(800)
            }
            try await withRegistry(options) { registry in
                let instance = try sampleInstance("a", "b")
                try await registry.register(instance, .healthy)
                try await registry.pass(.milliseconds(1_200), on: clock)
                try await eventually("silence to be noticed") {
                    try registry.state("a", "b")?.health == .unhealthy
                }
                #expect(try registry.state("a", "b")?.cause == .heartbeatMissed)
                let reply = try await registry.register(instance)
                #expect(reply.result == .revived && reply.health == .starting)
                #expect(try #require(registry.silence(of: instance.key)) < .seconds(1))
                #expect(try registry.state("a", "b")?.health == .starting)
            }
        }
    }

    @Test("a step of the wall clock is on record, told, and begins a new segment")
    func clockStep() async throws {
        try await withTemporaryDirectory { directory in
            let (clock, told) = (FakeClock(), Told())
            try await withRegistry(testOptions(directory) { $0.clockSource = clock.source }, telling: told) {
                registry in
                try await registry.register(try sampleInstance("a", "b"))
                clock.setWall(forward: .seconds(-3_600))
                let log = try LogReader(directory: directory + "/log", stream: .log)
                try await eventually("a new segment") { try log.segments().count == 2 }
                try await registry.register(try sampleInstance("a", "c"))
            }
            let logged = try events(in: directory)
            let steps = logged.filter { if case .clockStepped = $0.kind { true } else { false } }
            #expect(steps.map(\.kind) == [.clockStepped(from: .sample(0), to: .sample(-3_600))])
            #expect(logged.first { $0.sequence > steps[0].sequence }?.time == .sample(-3_600))
            #expect(told.says("the wall clock was set"))
            try await withRegistry(testOptions(directory) { $0.clockSource = clock.source }) { registry in
                let ids = try registry.ids(of: "a")
                #expect(ids == ["b", "c"])
            }
        }
    }

    @Test("a watch sees a write that was answered, and ends when the registry stops")
    func watch() async throws {
        try await withTemporaryDirectory { directory in
            try await withRegistry(testOptions(directory)) { registry in
                let state = try await registry.withSubscription(to: .all, resumingFrom: nil) { watch in
                    async let registering = registry.register(try sampleInstance("a", "b"))
                    var state = WatcherState()
                    try await watch.forEachBatch { batch in
                        try state.take(batch)
                        if !state.known.isEmpty { registry.endSubscriptions() }
                    }
                    _ = try await registering
                    return state
                }
                #expect(try state.known == WatcherState.expected(registry.view, .all))
                #expect(registry.status().subscribers == 0)
            }
        }
    }
}
